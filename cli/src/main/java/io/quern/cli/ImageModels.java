package io.quern.cli;

import io.quern.transformer.hub.HfCache;
import io.quern.vision.ImageModelDir;
import java.nio.file.Files;
import java.nio.file.Path;

/** Finds the image model that a user names. */
final class ImageModels {
    private ImageModels() {}

    /** A folder, or a name in the Hugging Face cache. */
    static ImageModelDir open(String name) {
        boolean cached = !Files.exists(Path.of(name)) && HfCache.isRepository(name);
        return ImageModelDir.open(cached ? HfCache.ofUser().model(name) : Path.of(name));
    }
}
