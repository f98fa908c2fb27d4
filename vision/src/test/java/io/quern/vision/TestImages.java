package io.quern.vision;

import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;

/** Files of the tests. */
public final class TestImages {
    private TestImages() {}

    /** A resource that is a file or a folder. */
    public static Path path(String resource) {
        URL url = TestImages.class.getResource(resource);
        if (url == null) {
            throw new IllegalStateException("no test resource " + resource);
        }
        try {
            return Path.of(url.toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A tiny model of random weights. */
    public static ImageModel model(String name) throws IOException {
        return ImageModelDir.open(path("/models/" + name)).load();
    }
}
