package io.quern.cli;

import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.text.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;

/** Finds the model that a user names. */
final class Models {
    /** The model in this program's resources. */
    static final String EMBEDDED = "the embedded model";

    private Models() {}

    /** A folder, a {@code .gguf} file, a name in the Hugging Face cache, or (null) the embedded model. */
    static ModelDir open(String name) {
        return name == null
                ? ModelDir.open(EMBEDDED, file -> Models.class.getResourceAsStream("model/" + file))
                : ModelDir.find(name);
    }

    /** The tokenizer of a model, or one in a folder of its own. */
    static Tokenizer tokenizer(String name) {
        return name != null && Files.exists(Path.of(name)) && !name.endsWith(".gguf")
                ? Tokenizer.load(Path.of(name))
                : open(name).tokenizer();
    }
}
