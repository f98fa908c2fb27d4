package io.quern.transformer.text;

import java.io.IOException;
import java.io.InputStream;

/** Where the files of a tokenizer come from. */
@FunctionalInterface
public interface FileSource {
    /**
     * Opens a file such as {@code tokenizer.json}.
     *
     * @return the file's contents, which the caller closes, or null if there is no such file
     */
    InputStream open(String fileName) throws IOException;
}
