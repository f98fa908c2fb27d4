package io.quern.cli;

import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** Options that every command has. */
final class CommonOptions {
    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and exit.")
    private boolean help;

    @Option(
            names = {"-v", "--verbose"},
            description = "Say on stderr what was found and chosen, and show stack traces.")
    boolean verbose;

    @Option(
            names = {"-q", "--quiet"},
            description = "Say nothing on stderr but errors.")
    boolean quiet;

    @Option(
            names = {"--json"},
            description = "Print one JSON object a line.")
    boolean json;

    @Option(
            names = {"--jfr"},
            paramLabel = "FILE",
            description = "Record the run with JDK Flight Recorder: kernels, allocations, transfers, tokens, steps.")
    private Path jfr;

    static boolean isVerbose(CommandLine.ParseResult parsed) {
        return leaf(parsed).hasMatchedOption("--verbose");
    }

    /** What was parsed of the command that runs, behind those that only name it. */
    static CommandLine.ParseResult leaf(CommandLine.ParseResult parsed) {
        CommandLine.ParseResult leaf = parsed;
        while (leaf.hasSubcommand()) {
            leaf = leaf.subcommand();
        }
        return leaf;
    }
}
