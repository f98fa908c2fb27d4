package io.quern.cli;

import io.quern.tensor.file.FileErrors;
import io.quern.transformer.Spelling;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Optional;
import picocli.CommandLine;

/** Says what went wrong in one line; the stack trace only with {@code --verbose}. */
final class Errors {
    private Errors() {}

    static int usage(CommandLine.ParameterException e, String[] args) {
        CommandLine line = e.getCommandLine();
        PrintWriter err = line.getErr();
        if (e instanceof CommandLine.UnmatchedArgumentException u && isCommandMissing(u)) {
            unknownCommand(u.getUnmatched().getFirst(), line);
            return Main.USAGE;
        }
        if (args.length == 0) {
            line.usage(err);
            return Main.USAGE;
        }
        err.println("quern: " + e.getMessage());
        if (!CommandLine.UnmatchedArgumentException.printSuggestions(e, err)) {
            err.println("Try '" + line.getCommandSpec().qualifiedName() + " --help'.");
        }
        return Main.USAGE;
    }

    /** Whether the first word that was not understood stands where the name of a command belongs. */
    private static boolean isCommandMissing(CommandLine.UnmatchedArgumentException e) {
        return !e.getCommandLine().getSubcommands().isEmpty() && !e.isUnknownOption();
    }

    static void unknownCommand(String name, CommandLine line) {
        PrintWriter err = line.getErr();
        String parent = line.getCommandSpec().qualifiedName();
        Optional<String> near = Spelling.nearest(name, line.getSubcommands().keySet());
        err.println("quern: '" + name + "' is not a command of " + parent
                + near.map(n -> "; did you mean '" + parent + " " + n + "'?").orElse(""));
        err.println("Try '" + parent + " --help'.");
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

    private static String message(Throwable e) {
        return switch (e) {
            case NoSuchFileException f -> "no such file: " + f.getFile();
            case AccessDeniedException f -> "not allowed to open: " + f.getFile();
            case FileSystemException f
            when f.getFile() != null ->
                f.getFile() + ": " + FileErrors.reason(f).replace(f.getFile() + " ", "");
            case UncheckedIOException u -> message(u.getCause());
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
