package io.quern.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Trains a model. */
@Command(
        name = "train",
        description = "Train a model.",
        synopsisSubcommandLabel = "MODEL",
        subcommands = {
            TrainGptCommand.class,
            TrainVitCommand.class,
            TrainCnnCommand.class,
            TrainAutoencoderCommand.class,
            TrainClassifierCommand.class
        })
final class TrainCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Mixin
    private CommonOptions common;

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "train: say what to train: gpt, vit, cnn, autoencoder or classifier");
    }
}
