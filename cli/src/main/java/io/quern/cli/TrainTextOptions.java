package io.quern.cli;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** What {@code train classifier} can be told. */
final class TrainTextOptions {
    @Option(
            names = {"--data"},
            paramLabel = "FILE",
            description =
                    "Texts with their classes: .csv or .tsv with the columns' names in the first line, or .jsonl.")
    Path data;

    @Option(
            names = {"--test"},
            paramLabel = "FILE",
            description = "More of them, for the test. Default: --split, or else a part of --data.")
    Path test;

    @Option(
            names = {"--text-column"},
            paramLabel = "NAME",
            defaultValue = "text",
            description = "Default: ${DEFAULT-VALUE}.")
    String textColumn;

    @Option(
            names = {"--label-column"},
            paramLabel = "NAME",
            defaultValue = "label",
            description = "Default: ${DEFAULT-VALUE}.")
    String labelColumn;

    @Option(
            names = {"--split"},
            paramLabel = "NAME",
            description = "Column that says 'train' or 'test' of each row; other rows are not used.")
    String split;

    @Option(
            names = {"--test-part"},
            paramLabel = "X",
            defaultValue = "0.1",
            description =
                    "Part of --data that is drawn for the test, where nothing else is. Default: ${DEFAULT-VALUE}.")
    double testPart;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = "Fine-tune the encoder of this BERT, under a new classifier. Default: a new BERT.")
    String model;

    @Option(
            names = {"--vocab-size"},
            paramLabel = "N",
            defaultValue = "4000",
            description = "Vocabulary of a new BERT: words and characters of the texts. Default: ${DEFAULT-VALUE}.")
    int vocabSize;

    @Option(
            names = {"--layers"},
            paramLabel = "N",
            defaultValue = "2",
            description = "Blocks of a new BERT. Default: ${DEFAULT-VALUE}.")
    int layers;

    @Option(
            names = {"--heads"},
            paramLabel = "N",
            defaultValue = "2",
            description = "Its attention heads. Default: ${DEFAULT-VALUE}.")
    int heads;

    @Option(
            names = {"--hidden"},
            paramLabel = "N",
            defaultValue = "128",
            description = "Its hidden size. Default: ${DEFAULT-VALUE}.")
    int hidden;

    @Option(
            names = {"--context"},
            paramLabel = "N",
            description =
                    "Tokens of a text; what is beyond is cut off. Default: the positions of the model, 128 of a new"
                            + " one.")
    Integer context;

    @Option(
            names = {"--dropout"},
            paramLabel = "P",
            description =
                    "Of embeddings, attention, residual branches and classifier. Default: as the model says, 0.1 of a"
                            + " new one.")
    Double dropout;

    @Option(
            names = {"--steps"},
            paramLabel = "N",
            description = "Updates to make, instead of --epochs.")
    Long steps;

    @Option(
            names = {"--epochs"},
            paramLabel = "N",
            defaultValue = "4",
            description = "Passes over the data. Default: ${DEFAULT-VALUE}.")
    int epochs;

    @Option(
            names = {"--batch"},
            paramLabel = "N",
            defaultValue = "32",
            description = "Texts in a batch. Default: ${DEFAULT-VALUE}.")
    int batch;

    @Option(
            names = {"--lr"},
            paramLabel = "X",
            description = "Highest learning rate; it ends at a hundredth. Default: 5e-5 with -m, else 5e-4.")
    Double lr;

    @Option(
            names = {"--warmup"},
            paramLabel = "N",
            description = "Updates until the highest learning rate. Default: a tenth of all.")
    Long warmup;

    @Option(
            names = {"--weight-decay"},
            paramLabel = "X",
            defaultValue = "0.01",
            description = "Of matrices and embeddings. Default: ${DEFAULT-VALUE}.")
    double weightDecay;

    @Option(
            names = {"--clip"},
            paramLabel = "X",
            defaultValue = "1.0",
            description = "Largest norm of the gradient. Default: ${DEFAULT-VALUE}.")
    double clip;

    @Option(
            names = {"--seed"},
            paramLabel = "N",
            defaultValue = "1337",
            description = "Of weights, data order and dropout. Default: ${DEFAULT-VALUE}.")
    long seed;

    @Option(
            names = {"--eval-every"},
            paramLabel = "N",
            description = "Updates between validations and checkpoints. Default: those of an epoch.")
    Integer evalEvery;

    double lr() {
        return lr != null ? lr : model == null ? 5e-4 : 5e-5;
    }
}
