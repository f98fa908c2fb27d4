package io.quern.cli;

import io.quern.vision.data.ImageSet;
import io.quern.vision.model.LeNetConfig;
import io.quern.vision.model.ResNetConfig;
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
        description = "Train LeNet-5 or a residual network on pictures. Ctrl-C saves and ends; --resume goes on.",
        sortOptions = false)
final class TrainCnnCommand implements Callable<Integer> {
    private enum Architecture {
        LENET,
        RESNET
    }

    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private TrainImageOptions options;

    @Mixin
    private ClassifierOptions classifier;

    @Option(
            names = {"--arch"},
            paramLabel = "lenet|resnet",
            defaultValue = "LENET",
            description = "LeNet-5, or a small residual network: three stages of two blocks, 16 to 64 planes."
                    + " Default: lenet.")
    private Architecture architecture;

    @Option(
            names = {"--tanh"},
            description = "Of lenet: tanh units and mean pooling, as in 1998, instead of ReLU and maximum pooling.")
    private boolean tanh;

    @Spec
    private CommandSpec spec;

    private final Output output;

    TrainCnnCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        if (architecture == Architecture.RESNET && (tanh || classifier.dropout != 0)) {
            throw new Errors.UsageException("--tanh and --dropout are LeNet-5's; leave them out, or --arch resnet");
        }
        return new ClassifierTraining(options, classifier, common, spec, output, data -> {
                    ImageSet set = data.train();
                    return architecture == Architecture.RESNET
                            ? ResNetConfig.small(set.width(), set.channels(), set.labels())
                            : new LeNetConfig(set.width(), set.channels(), tanh, classifier.dropout, set.labels());
                })
                .run(deviceOptions);
    }
}
