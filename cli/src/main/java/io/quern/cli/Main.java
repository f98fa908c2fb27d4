package io.quern.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code quern} command. */
@Command(
        name = "quern",
        description = "Trains and runs transformers on the JVM.",
        versionProvider = Version.class,
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            GenerateCommand.class,
            LogitsCommand.class,
            TrainCommand.class,
            EvalCommand.class,
            ClassifyCommand.class,
            TokenizerCommand.class,
            ShowCommand.class,
            QuantizeCommand.class,
            BenchCommand.class,
            DoctorCommand.class
        })
public final class Main {
    /** Everything went well. */
    static final int OK = 0;
    /** The work failed. */
    static final int FAILURE = 1;
    /** The command line was wrong. */
    static final int USAGE = 2;
    /** Stopped by Ctrl-C. */
    static final int INTERRUPTED = 130;

    public static void main(String[] args) {
        Stderr.restore();
        System.setProperty("java.awt.headless", "true");
        int code = commandLine(new Output(System.in)).execute(args);
        // Not a plain return: worker threads are daemons, but a library's threads need not be.
        System.exit(code);
    }

    static CommandLine commandLine(Output output) {
        CommandLine line = new CommandLine(new Main(), new CommandFactory(output));
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setOut(output.outWriter());
        line.setErr(output.errWriter());
        line.setColorScheme(CommandLine.Help.defaultColorScheme(
                output.colours() ? CommandLine.Help.Ansi.ON : CommandLine.Help.Ansi.OFF));
        line.setParameterExceptionHandler(Errors::usage);
        line.setExecutionExceptionHandler(Errors::failure);
        return line;
    }
}
