package io.quern.cli;

import io.quern.vision.data.ImageSet;
import io.quern.vision.model.VitConfig;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains a vision transformer on pictures. */
@Command(
        name = "vit",
        description = "Train a vision transformer on pictures. Ctrl-C saves and ends; --resume goes on.",
        sortOptions = false)
final class TrainVitCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private TrainImageOptions options;

    @Mixin
    private ClassifierOptions classifier;

    @Option(
            names = {"--patch"},
            paramLabel = "N",
            defaultValue = "4",
            description = "Edge of a patch. Default: ${DEFAULT-VALUE}.")
    private int patch;

    @Option(
            names = {"--layers"},
            paramLabel = "N",
            defaultValue = "6",
            description = "Blocks. Default: ${DEFAULT-VALUE}.")
    private int layers;

    @Option(
            names = {"--heads"},
            paramLabel = "N",
            defaultValue = "4",
            description = "Attention heads. Default: ${DEFAULT-VALUE}.")
    private int heads;

    @Option(
            names = {"--hidden"},
            paramLabel = "N",
            defaultValue = "64",
            description = "Hidden size. Default: ${DEFAULT-VALUE}.")
    private int hidden;

    @Option(
            names = {"--pooling"},
            paramLabel = "cls|mean",
            defaultValue = "cls",
            description = "What is classified: the class token or the mean of the patches. Default: ${DEFAULT-VALUE}.")
    private VitConfig.Pooling pooling;

    @Option(
            names = {"--drop-path"},
            paramLabel = "P",
            defaultValue = "0",
            description = "Stochastic depth of the last block. Default: ${DEFAULT-VALUE}.")
    private double dropPath;

    @Spec
    private CommandSpec spec;

    private final Output output;

    TrainVitCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        return new ClassifierTraining(options, classifier, common, spec, output, data -> {
                    ImageSet set = data.train();
                    return VitConfig.of(set.width(), patch, set.channels(), hidden, layers, heads, set.labels())
                            .with(pooling, classifier.dropout, dropPath);
                })
                .run(deviceOptions);
    }
}
