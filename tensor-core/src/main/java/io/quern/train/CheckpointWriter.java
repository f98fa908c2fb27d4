package io.quern.train;

import java.io.IOException;
import java.nio.file.Path;

/** Saves a model in the form in which it is loaded for use. */
@FunctionalInterface
public interface CheckpointWriter {
    /**
     * Writes the model into a folder that exists, over an earlier checkpoint of it; each file appears once it is whole.
     */
    void write(Path folder) throws IOException;
}
