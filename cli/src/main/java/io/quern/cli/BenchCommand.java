package io.quern.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Measures. */
@Command(
        name = "bench",
        description = "Measure kernels, generation, training and vision transformers on this machine.",
        synopsisSubcommandLabel = "WHAT",
        subcommands = {
            BenchKernelsCommand.class,
            BenchGenerateCommand.class,
            BenchTrainCommand.class,
            BenchImagesCommand.class
        })
final class BenchCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Mixin
    private CommonOptions common;

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "bench: say what to measure: kernels, generate, train or images");
    }
}
