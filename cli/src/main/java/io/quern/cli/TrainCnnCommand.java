package io.quern.cli;

import io.quern.vision.data.ImageSet;
import io.quern.vision.model.LeNetConfig;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains a convolutional network on pictures. */
@Command(
        name = "cnn",
        description = "Train LeNet-5 on pictures. Ctrl-C saves and ends; --resume goes on.",
        sortOptions = false)
final class TrainCnnCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private TrainImageOptions options;

    @Mixin
    private TrainShared shared;

    @Option(
            names = {"--tanh"},
            description = "tanh units and mean pooling, as in 1998, instead of ReLU and maximum pooling.")
    private boolean tanh;

    @Spec
    private CommandSpec spec;

    private final Output output;

    TrainCnnCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        ImageTraining training = new ImageTraining(options, shared, common, spec, output, List.of());
        return training.run(deviceOptions, data -> {
            ImageSet set = data.train();
            return new LeNetConfig(set.width(), set.channels(), tanh, options.dropout, set.labels());
        });
    }
}
