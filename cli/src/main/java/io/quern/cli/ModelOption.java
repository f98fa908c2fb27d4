package io.quern.cli;

import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.text.Tokenizer;
import picocli.CommandLine.Option;

/** Which model. */
final class ModelOption {
    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description =
                    "A folder in Hugging Face layout, a .gguf file, or org/name in the Hugging Face cache. Default:"
                            + " the embedded model, trained on Shakespeare.")
    private String model;

    /** What the user wrote; null for the embedded model. */
    String name() {
        return model;
    }

    ModelDir open() {
        return Models.open(model);
    }

    Tokenizer tokenizer() {
        return Models.tokenizer(model);
    }
}
