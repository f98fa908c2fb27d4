package io.quern.tensor.file;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
    private static final byte[] TEXT = {'q', 'u', 'e', 'r', 'n'};

    @TempDir
    Path folder;

    @Test
    void replacesTheFileBehindALinkAndKeepsTheLink() throws IOException {
        Path file = Files.write(folder.resolve("file"), new byte[] {1});
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("file"));
        Path second = Files.createSymbolicLink(folder.resolve("second"), link);

        AtomicFile.write(second, TEXT);

        assertArrayEquals(TEXT, Files.readAllBytes(file));
        assertTrue(Files.isSymbolicLink(link) && Files.isSymbolicLink(second));
        assertEquals(List.of("file", "link", "second"), names());
    }

    @Test
    void makesTheFileThatADanglingLinkNames() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("new"));

        AtomicFile.write(link, TEXT);

        assertArrayEquals(TEXT, Files.readAllBytes(folder.resolve("new")));
        assertTrue(Files.isSymbolicLink(link));
    }

    @Test
    void refusesLinksInACircle() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("a"), Path.of("b"));
        Files.createSymbolicLink(folder.resolve("b"), Path.of("a"));

        assertThrows(FileSystemLoopException.class, () -> AtomicFile.write(link, TEXT));
    }

    @Test
    void refusesAFolder() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));

        FileSystemException e = assertThrows(FileSystemException.class, () -> AtomicFile.write(empty, TEXT));

        assertTrue(e.getMessage().contains("is a folder"), e.getMessage());
        assertTrue(Files.isDirectory(empty));
    }

    /** A pipe stands for all that is no file: as root, moving a file over a device would replace the device. */
    @Test
    void writesToAPipeAndDoesNotReplaceIt() throws Exception {
        Path pipe = folder.resolve("pipe");
        assumeTrue(made(pipe), "needs mkfifo");
        CompletableFuture<byte[]> read = CompletableFuture.supplyAsync(() -> {
            try {
                return Files.readAllBytes(pipe);
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });

        AtomicFile.write(pipe, TEXT);

        assertArrayEquals(TEXT, read.get(10, TimeUnit.SECONDS));
        assertFalse(Files.isRegularFile(pipe));
        assertEquals(List.of("pipe"), names());
    }

    private static boolean made(Path pipe) throws InterruptedException {
        try {
            return new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }
}
