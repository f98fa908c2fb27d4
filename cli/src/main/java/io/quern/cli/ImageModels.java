package io.quern.cli;

import io.quern.transformer.hub.HfCache;
import io.quern.vision.ImageModelDir;
import java.nio.file.Files;
import java.nio.file.Path;

/** Finds the image model that a user names. */
final class ImageModels {
    /** The digit classifier in this program's resources. */
    static final String EMBEDDED = "the embedded digit classifier";

    private ImageModels() {}

    /** A folder, a name in the Hugging Face cache, or (null) the embedded model. */
    static ImageModelDir open(String name) {
        if (name == null) {
            return ImageModelDir.open(EMBEDDED, file -> ImageModels.class.getResourceAsStream("digits/" + file));
        }
        boolean cached = !Files.exists(Path.of(name)) && HfCache.isRepository(name);
        return ImageModelDir.open(cached ? HfCache.ofUser().model(name) : Path.of(name));
    }
}
