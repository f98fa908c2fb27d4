package io.quern.cli;

import io.quern.transformer.Activation;
import io.quern.vision.model.AutoencoderConfig;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains an autoencoder on pictures. */
@Command(
        name = "autoencoder",
        description = "Train an autoencoder on pictures. Ctrl-C saves and ends; --resume goes on.",
        sortOptions = false)
final class TrainAutoencoderCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private TrainImageOptions options;

    @Option(
            names = {"--kind"},
            paramLabel = "KIND",
            defaultValue = "DEEP",
            description = "deep (fully connected), conv, denoising, variational, inpainting or colouring."
                    + " Default: deep.")
    private AutoencoderConfig.Kind kind;

    @Option(
            names = {"--codes"},
            paramLabel = "N",
            defaultValue = "30",
            description = "Size of a picture's code. Default: ${DEFAULT-VALUE}.")
    private int codes;

    @Option(
            names = {"--hidden"},
            paramLabel = "N",
            split = ",",
            description = "Widths of the encoder's hidden layers, or its numbers of planes; the decoder mirrors them."
                    + " Default: 1000,500,250 for deep, 500,250 for variational, else 16,32.")
    private List<Integer> hidden;

    @Option(
            names = {"--noise"},
            paramLabel = "X",
            defaultValue = "0.4",
            description = "Standard deviation of the noise that denoising removes; 1 is from black to white."
                    + " Default: ${DEFAULT-VALUE}.")
    private double noise;

    @Option(
            names = {"--hole"},
            paramLabel = "N",
            defaultValue = "10",
            description = "Edge in pixels of the square that inpainting fills. Default: ${DEFAULT-VALUE}.")
    private int hole;

    @Spec
    private CommandSpec spec;

    private final Output output;

    TrainAutoencoderCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        return new AutoencoderTraining(
                        options,
                        common,
                        spec,
                        output,
                        data -> new AutoencoderConfig(
                                kind,
                                data.train().width(),
                                data.train().channels(),
                                hidden == null ? kind.hidden() : hidden,
                                codes,
                                Activation.RELU,
                                false,
                                kind == AutoencoderConfig.Kind.DENOISING ? noise : 0,
                                kind == AutoencoderConfig.Kind.INPAINTING ? hole : 0))
                .run(deviceOptions);
    }
}
