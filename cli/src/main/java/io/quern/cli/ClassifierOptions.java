package io.quern.cli;

import picocli.CommandLine.Option;

/** What the commands that train classifiers of pictures can be told besides {@link TrainImageOptions}. */
final class ClassifierOptions {
    @Option(
            names = {"--dropout"},
            paramLabel = "P",
            defaultValue = "0",
            description = "Default: ${DEFAULT-VALUE}.")
    double dropout;

    @Option(
            names = {"--smoothing"},
            paramLabel = "X",
            defaultValue = "0",
            description = "Label smoothing. Default: ${DEFAULT-VALUE}.")
    double smoothing;

    @Option(
            names = {"--erase"},
            paramLabel = "P",
            defaultValue = "0",
            description = "Probability of random erasing. Default: ${DEFAULT-VALUE}.")
    double erase;

    @Option(
            names = {"--mixup"},
            paramLabel = "A",
            defaultValue = "0",
            description = "Parameter of mixup, 0 for none. Default: ${DEFAULT-VALUE}.")
    double mixup;

    @Option(
            names = {"--cutmix"},
            description = "Cut rectangles of other pictures into them.")
    boolean cutmix;

    @Option(
            names = {"--randaugment"},
            paramLabel = "N",
            defaultValue = "0",
            description = "Change training pictures by so many of RandAugment's fourteen changes."
                    + " Default: ${DEFAULT-VALUE}.")
    int randAugment;

    @Option(
            names = {"--magnitude"},
            paramLabel = "X",
            defaultValue = "0.3",
            description = "Strength of these changes, 0 to 1. Default: ${DEFAULT-VALUE}.")
    double magnitude;
}
