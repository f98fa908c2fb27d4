package io.quern.tensor.file;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class FileErrorsTest {
    @TempDir
    Path folder;

    private static String reason(Executable work) {
        return FileErrors.reason(assertThrows(IOException.class, work));
    }

    @Test
    void whatIsMissingIsNamed() {
        Path none = folder.resolve("none");
        assertEquals("there is no folder " + none, reason(() -> AtomicFile.write(none.resolve("file"), new byte[1])));
        assertEquals("no such file", reason(() -> Files.readString(none)));
    }

    @Test
    void filesAndFoldersAreNotMixedUp() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");
        assertEquals("is a folder, not a file", reason(() -> AtomicFile.write(folder, new byte[1])));
        assertEquals("is a folder, not a file", reason(() -> Files.readAllBytes(folder)));
        assertEquals(file + " is a file, not a folder", reason(() -> Files.createDirectories(file)));
        assertEquals(
                "a part of the path is a file, not a folder", reason(() -> Files.readAllBytes(file.resolve("inner"))));
        assertEquals(file + " is not a folder", reason(() -> Files.list(file).close()));
    }

    @Test
    void otherReasonsAreTheSystemsOwn() {
        assertEquals("permission denied", FileErrors.reason(new AccessDeniedException("x")));
        assertEquals("No space left on device", FileErrors.reason(new IOException("No space left on device")));
    }
}
