package io.quern.transformer.embed;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.Bert;
import io.quern.transformer.text.Encoding;
import io.quern.transformer.text.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Turns texts into vectors that are near each other where the texts mean the same, with a model in the layout of
 * sentence-transformers.
 *
 * <pre>{@code
 * try (TextEmbedder embedder = TextEmbedder.load(Path.of("all-MiniLM-L6-v2"))) {
 *     float[][] v = embedder.embed(List.of("The cat sits on the mat.", "A feline is resting on a rug."));
 *     double similarity = TextEmbedder.cosine(v[0], v[1]);
 * }
 * }</pre>
 *
 * <p>Safe to use from several threads.
 */
public final class TextEmbedder implements AutoCloseable {
    /** Texts of a batch, as in sentence-transformers. */
    public static final int BATCH = 32;

    /** Below this a vector's length counts as this, as in PyTorch's {@code normalize}. */
    private static final double SHORTEST = 1e-12;

    private final Bert encoder;
    private final Tokenizer tokenizer;
    private final SentenceSettings settings;
    private final int maxTokens;

    private TextEmbedder(Bert encoder, Tokenizer tokenizer, SentenceSettings settings) {
        this.encoder = encoder;
        this.tokenizer = tokenizer;
        this.settings = settings;
        int positions = encoder.config().maxPositions();
        this.maxTokens = Math.min(positions, settings.maxTokens().orElse(positions));
    }

    /**
     * Loads a folder in the layout of sentence-transformers, or one of a bare encoder, whose hidden states are averaged.
     * The caller closes the embedder.
     *
     * @throws TensorException if a file is missing or broken, or asks for what is not supported
     */
    public static TextEmbedder load(Path folder) {
        return load(folder, null);
    }

    /**
     * Loads a folder with the weights of linear layers and token embeddings in a dtype.
     *
     * @param matrices F32, BF16, F16, Q8_0 or Q4_0; null for the type of the file
     * @throws TensorException as {@link #load(Path)}
     */
    public static TextEmbedder load(Path folder, DType matrices) {
        SentenceSettings settings = SentenceSettings.read(folder);
        EncoderDir dir = EncoderDir.open(settings.encoder());
        Tokenizer tokenizer = dir.tokenizer();
        if (tokenizer.vocabSize() > dir.config().vocabSize()) {
            throw new TensorException(folder + ": the tokenizer has " + tokenizer.vocabSize()
                    + " tokens, but the model only " + dir.config().vocabSize());
        }
        return new TextEmbedder(dir.load(Purpose.INFERENCE, matrices), tokenizer, settings);
    }

    /**
     * Loads what a user names: a folder, or {@code org/name} in Hugging Face's cache.
     *
     * @throws TensorException as {@link #load(Path)}
     */
    public static TextEmbedder find(String model, DType matrices) {
        return load(EncoderDir.folder(model), matrices);
    }

    public Bert encoder() {
        return encoder;
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** Length of the vectors. */
    public int dimension() {
        return encoder.config().hiddenSize() * settings.poolings().size();
    }

    /** The most tokens of a text, special ones included; what is beyond is left out. */
    public int maxTokens() {
        return maxTokens;
    }

    /** Whether vectors have length 1. */
    public boolean isNormalized() {
        return settings.normalize();
    }

    /** What the model wants before a text, by the name of its use, such as {@code query}. */
    public Map<String, String> prompts() {
        return settings.prompts();
    }

    /** What goes before a text for which no prompt is named; often nothing. */
    public String defaultPrompt() {
        return settings.defaultPrompt();
    }

    public void moveTo(Device device) {
        encoder.moveTo(device);
    }

    /** The vector of a text. */
    public float[] embed(String text) {
        return embed(List.of(text))[0];
    }

    /** The vectors of texts, in their order. */
    public float[][] embed(List<String> texts) {
        return embed(texts, settings.defaultPrompt(), BATCH, done -> {});
    }

    /**
     * The vectors of texts, in their order. Texts of like lengths share a batch, so that little is padded.
     *
     * @param prompt goes before each text; see {@link #prompts}
     * @param batch the most texts that run at once
     * @param progress is told how many texts are done
     */
    public float[][] embed(List<String> texts, String prompt, int batch, IntConsumer progress) {
        if (batch < 1) {
            throw new IllegalArgumentException("a batch has 1 text or more, not " + batch);
        }
        Encoding[] encoded = texts.parallelStream().map(t -> encode(prompt + t)).toArray(Encoding[]::new);
        Integer[] order = IntStream.range(0, encoded.length).boxed().toArray(Integer[]::new);
        // The longest first: if memory does not suffice, that shows at once.
        Arrays.sort(order, Comparator.comparingInt(i -> -encoded[i].length()));
        float[][] vectors = new float[encoded.length][];
        for (int from = 0; from < order.length; from += batch) {
            List<Integer> some = List.of(order).subList(from, Math.min(order.length, from + batch));
            List<Encoding> together = some.stream().map(i -> encoded[i]).toList();
            float[] rows = Scope.run(() -> Tape.noGrad(() -> forward(together).toFloats()));
            for (int i = 0; i < some.size(); i++) {
                vectors[some.get(i)] = Arrays.copyOfRange(rows, i * dimension(), (i + 1) * dimension());
            }
            progress.accept(from + some.size());
        }
        return vectors;
    }

    /** The tokens of a text as the model sees them, the prompt not included. */
    public Encoding encode(String text) {
        return tokenizer.encode(settings.lowercase() ? text.toLowerCase(Locale.ROOT) : text, null, maxTokens);
    }

    /** Vectors [B, dimension] of texts that run together; recorded for gradients where a tape records. */
    public Tensor forward(List<Encoding> texts) {
        return Scope.tidy(() -> {
            EncoderBatch batch = EncoderBatch.of(texts, encoder.config().padTokenId());
            int[] lengths = texts.stream().mapToInt(Encoding::length).toArray();
            return pool(encoder.forward(batch), lengths);
        });
    }

    private Tensor pool(Tensor hidden, int[] lengths) {
        Tensor[] parts =
                settings.poolings().stream().map(p -> p.apply(hidden, lengths)).toArray(Tensor[]::new);
        Tensor pooled = parts.length == 1 ? parts[0] : Tensor.concat(1, parts);
        if (!settings.normalize()) {
            return pooled;
        }
        Tensor length = pooled.square().sum(1).sqrt().reshape(pooled.dim(0), 1);
        return pooled.div(length.maximum(Tensor.full(pooled.device(), DType.F32, Shape.of(1), SHORTEST)));
    }

    /** The cosine of the angle between two vectors; 0 where one is 0. */
    public static double cosine(float[] a, float[] b) {
        if (a.length != b.length) {
            throw new IllegalArgumentException("vectors of lengths " + a.length + " and " + b.length);
        }
        double ab = 0;
        double aa = 0;
        double bb = 0;
        for (int i = 0; i < a.length; i++) {
            ab += (double) a[i] * b[i];
            aa += (double) a[i] * a[i];
            bb += (double) b[i] * b[i];
        }
        return aa == 0 || bb == 0 ? 0 : ab / Math.sqrt(aa * bb);
    }

    @Override
    public void close() {
        encoder.close();
    }
}
