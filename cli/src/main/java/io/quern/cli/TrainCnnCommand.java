package io.quern.cli;

import io.quern.vision.data.ImageSet;
import io.quern.vision.model.LeNetConfig;
import java.io.IOException;
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
    private ClassifierOptions classifier;

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
        return new ClassifierTraining(options, classifier, common, spec, output, data -> {
                    ImageSet set = data.train();
                    return new LeNetConfig(set.width(), set.channels(), tanh, classifier.dropout, set.labels());
                })
                .run(deviceOptions);
    }
}
