package io.quern.cli;

import java.io.PrintWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import picocli.CommandLine;

/** Says what went wrong in one line; the stack trace only with {@code --verbose}. */
final class Errors {
    private Errors() {}

    static int usage(CommandLine.ParameterException e, String[] args) {
        CommandLine line = e.getCommandLine();
        PrintWriter err = line.getErr();
        err.println("quern: " + e.getMessage());
        if (!CommandLine.UnmatchedArgumentException.printSuggestions(e, err)) {
            err.println("Try '" + line.getCommandSpec().qualifiedName() + " --help'.");
        }
        return Main.USAGE;
    }

    static int failure(Exception e, CommandLine line, CommandLine.ParseResult parsed) {
        if (e instanceof Output.ClosedOutputException) {
            return Main.OK;
        }
        PrintWriter err = line.getErr();
        if (e instanceof UsageException) {
            err.println("quern: " + e.getMessage());
            return Main.USAGE;
        }
        err.println("quern: " + message(e));
        if (CommonOptions.isVerbose(parsed)) {
            e.printStackTrace(err);
        }
        return Main.FAILURE;
    }

    /** The file exceptions of the JDK carry little more than the path. */
    private static String message(Throwable e) {
        return switch (e) {
            case NoSuchFileException f -> "no such file: " + f.getFile();
            case AccessDeniedException f -> "not allowed to open: " + f.getFile();
            case NotDirectoryException f -> "not a folder: " + f.getFile();
            case FileAlreadyExistsException f -> "exists already: " + f.getFile();
            case FileSystemException f -> f.getFile() + ": " + f.getReason();
            case java.io.UncheckedIOException u -> message(u.getCause());
            default -> e.getMessage() == null ? e.toString() : e.getMessage();
        };
    }

    /** The command line asks for something that cannot be meant. */
    static final class UsageException extends RuntimeException {
        UsageException(String message) {
            super(message);
        }
    }
}
