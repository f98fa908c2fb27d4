package io.quern.cli;

import io.quern.transformer.hub.HfCache;
import io.quern.vision.ImageModelDir;
import java.nio.file.Files;
import java.nio.file.Path;

/** Finds the image model that a user names. */
final class ImageModels {
    /** The digit classifiers in this program's resources: LeNet-5, and a vision transformer for what only that can show. */
    static final String EMBEDDED = "the embedded digit classifier";

    private static final String EMBEDDED_VIT = "the embedded vision transformer for digits";

    private ImageModels() {}

    /** A folder, a name in the Hugging Face cache, or (null) the embedded model. */
    static ImageModelDir open(String name) {
        return name == null ? embedded(EMBEDDED, "digits/") : named(name);
    }

    /** The same, but (null) is the embedded vision transformer. */
    static ImageModelDir openTransformer(String name) {
        return name == null ? embedded(EMBEDDED_VIT, "digits-vit/") : named(name);
    }

    private static ImageModelDir embedded(String name, String folder) {
        return ImageModelDir.open(name, file -> ImageModels.class.getResourceAsStream(folder + file));
    }

    private static ImageModelDir named(String name) {
        boolean cached = !Files.exists(Path.of(name)) && HfCache.isRepository(name);
        return ImageModelDir.open(cached ? HfCache.ofUser().model(name) : Path.of(name));
    }
}
