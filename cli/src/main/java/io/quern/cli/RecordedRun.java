package io.quern.cli;

import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.ExecutionException;
import picocli.CommandLine.ParseResult;

/** Runs a command, with a recording around it where {@code --jfr} asks for one. */
final class RecordedRun {
    private static final String OPTION = "--jfr";

    private RecordedRun() {}

    static int execute(ParseResult parsed) {
        ParseResult leaf = CommonOptions.leaf(parsed);
        CommandLine.RunLast plain = new CommandLine.RunLast();
        if (!leaf.hasMatchedOption(OPTION) || leaf.isUsageHelpRequested()) {
            return plain.execute(parsed);
        }
        CommandLine line = leaf.commandSpec().commandLine();
        Path file = leaf.matchedOptionValue(OPTION, null);
        if (ModuleLayer.boot().findModule("jdk.jfr").isEmpty()) {
            throw new CommandLine.ParameterException(
                    line, "--jfr: this Java runtime lacks the module jdk.jfr; use a whole JDK");
        }
        CommandRecording recording;
        try {
            recording = CommandRecording.start(file, leaf.commandSpec().qualifiedName());
        } catch (Exception e) {
            throw new ExecutionException(line, "--jfr", e);
        }
        int code;
        try {
            code = plain.execute(parsed);
        } catch (Throwable e) {
            try {
                recording.close();
            } catch (Exception second) {
                e.addSuppressed(second);
            }
            throw e;
        }
        try {
            recording.close();
        } catch (Exception e) {
            throw new ExecutionException(line, "--jfr", e);
        }
        return code;
    }
}
