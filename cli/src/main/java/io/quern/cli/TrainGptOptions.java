package io.quern.cli;

import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** What {@code train gpt} can be told. */
final class TrainGptOptions {
    @Option(
            names = {"--data"},
            arity = "1..*",
            paramLabel = "FILE",
            description = "Text files in UTF-8; their end is kept for validation.")
    List<Path> data;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = "Continue from this model instead of a new one.")
    String model;

    @Option(
            names = {"--tokenizer"},
            paramLabel = "DIR",
            description = "Use this tokenizer. Default: the model's, or one trained on the data.")
    Path tokenizer;

    @Option(
            names = {"--vocab-size"},
            paramLabel = "N",
            defaultValue = "1024",
            description = "Vocabulary of a trained tokenizer. Default: ${DEFAULT-VALUE}.")
    int vocabSize;

    @Option(
            names = {"--layers"},
            paramLabel = "N",
            defaultValue = "6",
            description = "Blocks. Default: ${DEFAULT-VALUE}.")
    int layers;

    @Option(
            names = {"--heads"},
            paramLabel = "N",
            defaultValue = "4",
            description = "Attention heads. Default: ${DEFAULT-VALUE}.")
    int heads;

    @Option(
            names = {"--hidden"},
            paramLabel = "N",
            defaultValue = "256",
            description = "Hidden size. Default: ${DEFAULT-VALUE}.")
    int hidden;

    @Option(
            names = {"--context"},
            paramLabel = "N",
            defaultValue = "256",
            description = "Context length in tokens. Default: ${DEFAULT-VALUE}.")
    int context;

    @Option(
            names = {"--dropout"},
            paramLabel = "P",
            defaultValue = "0.1",
            description = "Dropout of embeddings, attention and residual branches. Default: ${DEFAULT-VALUE}.")
    double dropout;

    @Option(
            names = {"--steps"},
            paramLabel = "N",
            description = "Updates to make. Default: 1000, unless --epochs is given.")
    Long steps;

    @Option(
            names = {"--epochs"},
            paramLabel = "N",
            description = "Passes over the data.")
    Integer epochs;

    @Option(
            names = {"--batch"},
            paramLabel = "N",
            defaultValue = "16",
            description = "Sequences in a batch. Default: ${DEFAULT-VALUE}.")
    int batch;

    @Option(
            names = {"--accumulate"},
            paramLabel = "N",
            defaultValue = "1",
            description = "Batches for one update. Default: ${DEFAULT-VALUE}.")
    int accumulate;

    @Option(
            names = {"--lr"},
            paramLabel = "X",
            defaultValue = "1e-3",
            description = "Highest learning rate. Default: ${DEFAULT-VALUE}.")
    double lr;

    @Option(
            names = {"--min-lr"},
            paramLabel = "X",
            description = "Learning rate at the end. Default: a tenth of --lr.")
    Double minLr;

    @Option(
            names = {"--warmup"},
            paramLabel = "N",
            defaultValue = "100",
            description = "Updates until the highest learning rate. Default: ${DEFAULT-VALUE}.")
    long warmup;

    @Option(
            names = {"--weight-decay"},
            paramLabel = "X",
            defaultValue = "0.1",
            description = "Of matrices and embeddings. Default: ${DEFAULT-VALUE}.")
    double weightDecay;

    @Option(
            names = {"--optimizer"},
            paramLabel = "NAME",
            defaultValue = "adamw",
            description = "${COMPLETION-CANDIDATES}; muon gives embeddings, biases and norms to adamw."
                    + " Default: ${DEFAULT-VALUE}.")
    OptimizerKind optimizer;

    @Option(
            names = {"--momentum"},
            paramLabel = "X",
            defaultValue = "0",
            description = "Of sgd and rmsprop. Default: ${DEFAULT-VALUE}.")
    double momentum;

    @Option(
            names = {"--beta2"},
            paramLabel = "X",
            defaultValue = "0.99",
            description = "Second decay rate of adamw, adam and lion. Default: ${DEFAULT-VALUE}.")
    double beta2;

    @Option(
            names = {"--clip"},
            paramLabel = "X",
            defaultValue = "1.0",
            description = "Largest norm of the gradient. Default: ${DEFAULT-VALUE}.")
    double clip;

    @Option(
            names = {"--smoothing"},
            paramLabel = "X",
            defaultValue = "0",
            description = "Label smoothing of the training loss. Default: ${DEFAULT-VALUE}.")
    double smoothing;

    @Option(
            names = {"--recompute"},
            description =
                    "Compute the inside of blocks again in the backward pass instead of keeping it: less memory for"
                            + " more time, the same weights.")
    boolean recompute;

    @Option(
            names = {"--seed"},
            paramLabel = "N",
            defaultValue = "1337",
            description = "Of weights, data order and dropout. Default: ${DEFAULT-VALUE}.")
    long seed;

    @Option(
            names = {"--validation"},
            paramLabel = "X",
            defaultValue = "0.1",
            description = "Part of the text kept for validation. Default: ${DEFAULT-VALUE}.")
    double validation;

    @Option(
            names = {"--eval-every"},
            paramLabel = "N",
            defaultValue = "250",
            description = "Updates between validations and checkpoints. Default: ${DEFAULT-VALUE}.")
    int evalEvery;

    @Option(
            names = {"--eval-batches"},
            paramLabel = "N",
            description = "Batches for a validation. Default: all of the validation text.")
    Integer evalBatches;

    @Option(
            names = {"--sample-every"},
            paramLabel = "N",
            defaultValue = "500",
            description = "Updates between samples of text, 0 for none. Default: ${DEFAULT-VALUE}.")
    int sampleEvery;

    @Option(
            names = {"--find-lr"},
            description = "Do not train, but look for a learning rate: raise it from 1e-6 to 1 in --steps updates (100)"
                    + " and write how the loss goes to lr.csv and lr.png.")
    boolean findLr;

    @Option(
            names = {"--weights"},
            paramLabel = "f32|bf16|f16",
            defaultValue = "f32",
            description = "Type in which weights are saved. Default: ${DEFAULT-VALUE}.")
    String weights;

    @Option(
            names = {"--dtype"},
            paramLabel = "f32|bf16",
            defaultValue = "f32",
            description =
                    "Type in which the loss is computed. With bf16, copies of the weights and all that passes between"
                            + " layers have 16 bits; weights, gradients and the optimizer keep 32. Default:"
                            + " ${DEFAULT-VALUE}.")
    String dtype;

    double minLr() {
        return minLr == null ? lr / 10 : minLr;
    }
}
