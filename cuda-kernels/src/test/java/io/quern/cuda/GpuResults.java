package io.quern.cuda;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/** Lines of JSON that are in the file as soon as they are known: the next kernel may end the process. */
final class GpuResults {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;

    GpuResults(Path file) {
        this.file = file;
    }

    void add(Map<String, Object> line) {
        try {
            Files.writeString(
                    file, JSON.writeValueAsString(line) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
