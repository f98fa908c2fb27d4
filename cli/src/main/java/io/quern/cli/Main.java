package io.quern.cli;

import java.util.Arrays;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code quern} command. */
@Command(
        name = "quern",
        description = "Trains and runs transformers on the JVM.",
        versionProvider = Version.class,
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "'quern help COMMAND' or 'quern COMMAND --help' explains a command. To begin with:",
            "  quern generate -p \"ROMEO:\"    continues the text, with the embedded model",
            "  quern doctor                   shows what was found on this machine"
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

    private static final List<Class<?>> COMMANDS = List.of(
            GenerateCommand.class,
            LogitsCommand.class,
            TrainCommand.class,
            ReplayCommand.class,
            TuneCommand.class,
            EvalCommand.class,
            ClassifyCommand.class,
            EmbedCommand.class,
            SearchCommand.class,
            AttentionCommand.class,
            ReconstructCommand.class,
            TokenizerCommand.class,
            ShowCommand.class,
            QuantizeCommand.class,
            MergeCommand.class,
            VerifyCommand.class,
            BenchCommand.class,
            DoctorCommand.class,
            CompletionCommand.class);

    public static void main(String[] args) {
        StartUp.mark("JVM");
        Stderr.restore();
        WarmUp.begin(args);
        System.setProperty("java.awt.headless", "true");
        int code = execute(new Output(System.in), args);
        // Not a plain return: worker threads are daemons, but a library's threads need not be.
        System.exit(code);
    }

    /** Runs a command; gives the exit code. */
    static int execute(Output output, String... args) {
        try {
            return run(output, args);
        } finally {
            output.end();
        }
    }

    private static int run(Output output, String... args) {
        String first = args.length == 0 ? "" : args[0];
        if (first.equals("help")) {
            String[] asked = Arrays.copyOfRange(args, 1, args.length + 1);
            asked[args.length - 1] = "--help";
            return run(output, asked);
        }
        CommandLine line = commandLine(output, first);
        if (!first.isEmpty() && !first.startsWith("-") && !line.getSubcommands().containsKey(first)) {
            // Where --help follows, picocli would show it and say nothing of the name.
            Errors.unknownCommand(first, line);
            return USAGE;
        }
        return line.execute(args);
    }

    /**
     * The command line with all commands, or with {@code first} alone if that is the name of one: reading the options of
     * the others takes a tenth of a second in a new process.
     */
    static CommandLine commandLine(Output output, String first) {
        CommandFactory factory = new CommandFactory(output);
        CommandLine line = new CommandLine(new Main(), factory);
        List<Class<?>> named =
                COMMANDS.stream().filter(c -> name(c).equals(first)).toList();
        for (Class<?> c : named.isEmpty() ? COMMANDS : named) {
            line.addSubcommand(new CommandLine(c, factory));
        }
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setOut(output.outWriter());
        line.setErr(output.errWriter());
        line.setColorScheme(CommandLine.Help.defaultColorScheme(
                output.colours() ? CommandLine.Help.Ansi.ON : CommandLine.Help.Ansi.OFF));
        line.setExecutionStrategy(RecordedRun::execute);
        line.setParameterExceptionHandler(Errors::usage);
        line.setExecutionExceptionHandler(Errors::failure);
        return line;
    }

    private static String name(Class<?> command) {
        return command.getAnnotation(Command.class).name();
    }
}
