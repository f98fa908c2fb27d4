package io.quern.cli;

import io.quern.vision.data.Augmentation;
import io.quern.vision.data.RandAugment;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the commands that train image models can be told. */
final class TrainImageOptions {
    @Mixin
    TrainShared shared;

    @Option(
            names = {"--data"},
            paramLabel = "DIR",
            description = "MNIST's IDX files, CIFAR-10's binary files, folders train and test of a folder for each"
                    + " class, or class folders alone.")
    Path data;

    @Option(
            names = {"--image-size"},
            paramLabel = "N",
            defaultValue = "64",
            description = "Edge to which pictures of class folders are resized. Default: ${DEFAULT-VALUE}.")
    int imageSize;

    @Option(
            names = {"--channels"},
            paramLabel = "N",
            defaultValue = "3",
            description = "1 to take pictures of class folders as grey, else 3. Default: ${DEFAULT-VALUE}.")
    int channels;

    @Option(
            names = {"--epochs"},
            paramLabel = "N",
            defaultValue = "30",
            description = "Passes over the data. Default: ${DEFAULT-VALUE}.")
    int epochs;

    @Option(
            names = {"--steps"},
            paramLabel = "N",
            description = "Updates, instead of --epochs.")
    Long steps;

    @Option(
            names = {"--batch"},
            paramLabel = "N",
            defaultValue = "64",
            description = "Pictures in a batch. Default: ${DEFAULT-VALUE}.")
    int batch;

    @Option(
            names = {"--lr"},
            paramLabel = "X",
            defaultValue = "1e-3",
            description = "Highest learning rate; it ends at a hundredth. Default: ${DEFAULT-VALUE}.")
    double lr;

    @Option(
            names = {"--warmup"},
            paramLabel = "N",
            defaultValue = "250",
            description = "Updates until the highest learning rate. Default: ${DEFAULT-VALUE}.")
    long warmup;

    @Option(
            names = {"--weight-decay"},
            paramLabel = "X",
            defaultValue = "0.05",
            description = "Of matrices. Default: ${DEFAULT-VALUE}.")
    double weightDecay;

    @Option(
            names = {"--clip"},
            paramLabel = "X",
            defaultValue = "1.0",
            description = "Largest norm of the gradient. Default: ${DEFAULT-VALUE}.")
    double clip;

    @Option(
            names = {"--shift"},
            paramLabel = "N",
            defaultValue = "0",
            description = "Shift training pictures by up to N pixels. Default: ${DEFAULT-VALUE}.")
    double shift;

    @Option(
            names = {"--rotate"},
            paramLabel = "DEG",
            defaultValue = "0",
            description = "Rotate them by up to so many degrees. Default: ${DEFAULT-VALUE}.")
    double rotate;

    @Option(
            names = {"--zoom"},
            paramLabel = "X",
            defaultValue = "0",
            description = "Grow or shrink them by up to the factor 1 + X. Default: ${DEFAULT-VALUE}.")
    double zoom;

    @Option(
            names = {"--flip"},
            description = "Mirror half of them.")
    boolean flip;

    @Option(
            names = {"--seed"},
            paramLabel = "N",
            defaultValue = "1337",
            description = "Of weights, data order, augmentation and dropout. Default: ${DEFAULT-VALUE}.")
    long seed;

    @Option(
            names = {"--eval-every"},
            paramLabel = "N",
            description = "Updates between validations and checkpoints. Default: those of 5 epochs.")
    Integer evalEvery;

    /** With these of classifiers, whose batches are mixed. */
    Augmentation augmentation(double erase, double mixup, boolean cutmix, RandAugment random) {
        Augmentation asked = new Augmentation(shift, rotate, zoom, flip, erase, mixup, cutmix, random);
        return asked.equals(Augmentation.NONE) ? Augmentation.NONE : asked;
    }
}
