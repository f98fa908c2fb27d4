package io.quern.transformer.model;

import io.quern.tensor.TensorException;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.ModelConfig;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * A row for each architecture: what {@code config.json} calls it, and the page that it is on.
 *
 * @param modelType the value of {@code model_type}
 * @param architectures the values of {@code architectures} that mean it; the first one is what we write
 * @param reader of the rest of the configuration
 */
public record ModelFamily(String modelType, List<String> architectures, Function<ConfigJson, ModelConfig> reader) {
    public static final ModelFamily GPT2 =
            new ModelFamily("gpt2", List.of("GPT2LMHeadModel", "GPT2Model"), Gpt2Config::read);

    private static final List<ModelFamily> ALL = List.of(GPT2);

    /**
     * Reads a {@code config.json} of any supported architecture.
     *
     * @throws TensorException if the architecture is unknown, naming those that are known, or if a value is wrong
     */
    public static ModelConfig read(ConfigJson json) {
        List<String> architectures = json.strings("architectures");
        String type = json.string("model_type", "");
        for (ModelFamily f : ALL) {
            boolean named = architectures.stream().anyMatch(f.architectures::contains);
            if (named || architectures.isEmpty() && f.modelType.equals(type)) {
                return f.reader.apply(json);
            }
        }
        if (BertConfig.describes(json)) {
            throw new TensorException(json.file() + ": a BERT does not continue texts; open the folder as an encoder"
                    + " (quern embed, search and classify --text; in a program, EncoderDir and TextEmbedder)");
        }
        if (json.node().has("image_size")) {
            throw new TensorException(json.file() + ": a model of pictures does not continue texts; it is for quern"
                    + " classify, attention and eval --images (in a program, ImageModelDir of the module vision)");
        }
        throw new TensorException(json.file() + ": the architecture "
                + (architectures.isEmpty()
                        ? "(none named, model_type '" + type + "')"
                        : String.join(", ", architectures))
                + " is not supported; supported are "
                + ALL.stream().map(f -> f.architectures.getFirst()).collect(Collectors.joining(", ")));
    }
}
