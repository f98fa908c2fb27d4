package io.quern.tensor.file;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;

/** Words for what the file system refuses: the JDK's exceptions often say no more than a path, and a temporary one at that. */
public final class FileErrors {
    private FileErrors() {}

    /** Why, in a clause that follows "FILE: cannot be written: "; without the name of an exception's class. */
    public static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException f -> missing(f);
            case AccessDeniedException _ -> "permission denied";
            case NotDirectoryException f -> f.getFile() + " is not a folder";
            case FileAlreadyExistsException f ->
                isFile(f.getFile()) ? f.getFile() + " is a file, not a folder" : f.getFile() + " exists already";
            case FileSystemException f when f.getReason() != null -> plain(f.getReason());
            default -> e.getMessage() == null ? e.toString() : plain(e.getMessage());
        };
    }

    /** The same for an exception that was wrapped on its way through a stream. */
    public static String reason(UncheckedIOException e) {
        return reason(e.getCause());
    }

    private static String missing(NoSuchFileException e) {
        Path folder = e.getFile() == null ? null : Path.of(e.getFile()).getParent();
        return folder == null || Files.isDirectory(folder) ? "no such file" : "there is no folder " + folder;
    }

    private static boolean isFile(String path) {
        return path != null && Files.isRegularFile(Path.of(path));
    }

    private static String plain(String reason) {
        return switch (reason) {
            case "Is a directory" -> "is a folder, not a file";
            case "Not a directory" -> "a part of the path is a file, not a folder";
            default -> reason;
        };
    }
}
