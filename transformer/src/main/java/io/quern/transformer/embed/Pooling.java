package io.quern.transformer.embed;

import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import java.util.Arrays;
import java.util.Optional;

/**
 * How one vector is made of the hidden states of a text's tokens, special ones included. Source: the module
 * {@code Pooling} of sentence-transformers.
 */
public enum Pooling {
    /** The hidden state of the first token. */
    CLS("cls", "pooling_mode_cls_token"),
    /** The largest value of each dimension. */
    MAX("max", "pooling_mode_max_tokens"),
    MEAN("mean", "pooling_mode_mean_tokens"),
    /** The sum divided by the root of the number of tokens. */
    MEAN_SQRT_LENGTH("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"),
    /** The mean with the position, counted from 1, as weight. */
    WEIGHTED_MEAN("weightedmean", "pooling_mode_weightedmean_tokens"),
    /** The hidden state of the last token. */
    LAST("lasttoken", "pooling_mode_lasttoken");

    private final String label;
    private final String key;

    Pooling(String label, String key) {
        this.label = label;
        this.key = key;
    }

    /** The name in newer configurations. */
    String label() {
        return label;
    }

    /** The flag in older configurations. */
    String key() {
        return key;
    }

    static Optional<Pooling> find(String label) {
        return Arrays.stream(values()).filter(p -> p.label.equals(label)).findFirst();
    }

    /**
     * Pools a batch.
     *
     * @param hidden [B, T, C]
     * @param lengths how many of the T tokens each text has, 1 or more; the others are padding
     * @return [B, C]
     */
    Tensor apply(Tensor hidden, int[] lengths) {
        int b = hidden.dim(0);
        int t = hidden.dim(1);
        int c = hidden.dim(2);
        if (this == MAX) {
            boolean padded = Arrays.stream(lengths).anyMatch(n -> n < t);
            return (padded ? withoutPadding(hidden, lengths) : hidden).max(1);
        }
        Tensor weights = Tensor.of(weights(lengths, t), b, 1, t).to(hidden.device());
        return weights.matmul(hidden).reshape(b, c);
    }

    private static Tensor withoutPadding(Tensor hidden, int[] lengths) {
        int t = hidden.dim(1);
        int[] seen = new int[lengths.length * t];
        for (int i = 0; i < lengths.length; i++) {
            Arrays.fill(seen, i * t, i * t + lengths[i], 1);
        }
        Tensor lowest = Tensor.full(hidden.device(), DType.F32, io.quern.tensor.Shape.of(1), Double.NEGATIVE_INFINITY);
        return Tensor.of(seen, lengths.length, t, 1).to(hidden.device()).where(hidden, lowest);
    }

    /** What each token counts, [B, T]. */
    private float[] weights(int[] lengths, int t) {
        float[] w = new float[lengths.length * t];
        for (int i = 0; i < lengths.length; i++) {
            int n = lengths[i];
            int at = i * t;
            switch (this) {
                case CLS -> w[at] = 1;
                case LAST -> w[at + n - 1] = 1;
                case MEAN -> Arrays.fill(w, at, at + n, 1f / n);
                case MEAN_SQRT_LENGTH -> Arrays.fill(w, at, at + n, (float) (1 / Math.sqrt(n)));
                case WEIGHTED_MEAN -> {
                    double all = n * (n + 1) / 2.0;
                    for (int j = 0; j < n; j++) {
                        w[at + j] = (float) ((j + 1) / all);
                    }
                }
                case MAX -> throw new AssertionError();
            }
        }
        return w;
    }
}
