package io.quern.tensor.file;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Writes a file under a temporary name beside it and moves it into place, so that readers see all of it or nothing. */
public final class AtomicFile {
    /** Writes the contents. */
    @FunctionalInterface
    public interface Body {
        void write(FileChannel channel) throws IOException;
    }

    private static final Pattern LEFTOVER = Pattern.compile("\\..+\\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.tmp");

    /** Links that a path may go through; Linux allows as many. */
    private static final int MOST_LINKS = 40;

    private AtomicFile() {}

    /**
     * Replaces {@code file} by what {@code body} writes; if that fails, the old file stays as it was. A symbolic link
     * stays and the file that it names is replaced. What is neither a file nor a folder, such as a pipe or a device, is
     * never replaced but written to.
     *
     * @throws FileSystemException if {@code file} is a folder
     */
    public static void write(Path file, Body body) throws IOException {
        Path target = file.toAbsolutePath();
        if (Files.isDirectory(target)) {
            throw new FileSystemException(file.toString(), null, "is a folder, not a file");
        }
        if (isStream(target)) {
            try (FileChannel channel = FileChannel.open(target, StandardOpenOption.WRITE)) {
                body.write(channel);
            }
        } else {
            replace(afterLinks(target), body);
        }
    }

    /**
     * Whether a target is written to rather than replaced. The process' own descriptors count as well: behind them may lie
     * a file to which others go on writing, as after {@code --out /dev/stdout > log}.
     */
    private static boolean isStream(Path target) {
        boolean exists = Files.exists(target);
        return exists && !Files.isRegularFile(target)
                || exists && Files.isSymbolicLink(target) && (target.startsWith("/dev") || target.startsWith("/proc"));
    }

    /** Where a chain of links ends; the last one may name a file that does not exist yet. */
    private static Path afterLinks(Path target) throws IOException {
        Path at = target;
        for (int links = 0; Files.isSymbolicLink(at); links++) {
            if (links == MOST_LINKS) {
                throw new FileSystemLoopException(target.toString());
            }
            at = at.resolveSibling(Files.readSymbolicLink(at));
        }
        return at;
    }

    private static void replace(Path target, Body body) throws IOException {
        Path temporary = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                body.write(channel);
                channel.force(true);
            }
            try {
                Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            } catch (AtomicMoveNotSupportedException e) {
                Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
            }
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** Deletes what writers that were killed left half written in a folder; no other process may be writing there. */
    public static void removeLeftovers(Path folder) throws IOException {
        List<Path> leftovers;
        try (Stream<Path> files = Files.list(folder)) {
            leftovers = files.filter(
                            f -> LEFTOVER.matcher(f.getFileName().toString()).matches())
                    .toList();
        }
        for (Path f : leftovers) {
            Files.deleteIfExists(f);
        }
    }

    /** Replaces {@code file} by these bytes. */
    public static void write(Path file, byte[] bytes) throws IOException {
        write(file, channel -> writeFully(channel, java.nio.ByteBuffer.wrap(bytes)));
    }

    static void writeFully(FileChannel channel, java.nio.ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
