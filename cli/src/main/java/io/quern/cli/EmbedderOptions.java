package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.transformer.embed.TextEmbedder;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The model that makes vectors of texts, and how it runs. */
final class EmbedderOptions {
    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description =
                    "A folder in the layout of sentence-transformers, a BERT in Hugging Face layout (its hidden states"
                            + " are averaged), or org/name in the Hugging Face cache.")
    String model;

    @Option(
            names = {"--dtype"},
            paramLabel = "TYPE",
            description =
                    "Hold the weights of linear layers and embeddings in f32, bf16, f16, q8_0 or q4_0. Default: auto,"
                            + " the type of the file.")
    private String dtype = "auto";

    @Option(
            names = {"--batch"},
            paramLabel = "N",
            description = "Texts that run at once. Default: 32.")
    int batch = TextEmbedder.BATCH;

    @Mixin
    private DeviceOptions deviceOptions;

    /** Loads the model, or {@code otherwise} where none is named. */
    TextEmbedder open(String otherwise, Output output, boolean verbose) {
        if (batch < 1) {
            throw new Errors.UsageException("--batch must be 1 or more, not " + batch);
        }
        String name = model == null ? otherwise : model;
        if (name == null || name.isEmpty()) {
            throw new Errors.UsageException(
                    "-m MODEL is missing: a folder of a sentence encoder, or org/name in the" + " Hugging Face cache");
        }
        Device device = deviceOptions.open(output, verbose);
        DType asked = WeightOptions.parse("--dtype", dtype);
        // Kernels for narrower weights are the CPU's.
        TextEmbedder embedder =
                TextEmbedder.find(name, asked == null && !device.equals(Device.CPU) ? DType.F32 : asked);
        try {
            embedder.moveTo(device);
            if (verbose) {
                output.note("model: " + name + ", vectors of " + embedder.dimension() + " numbers"
                        + (embedder.isNormalized() ? " of length 1" : "") + ", at most " + embedder.maxTokens()
                        + " tokens a text");
            }
            return embedder;
        } catch (RuntimeException | Error e) {
            embedder.close();
            throw e;
        }
    }
}
