package io.quern.transformer.generate;

import java.util.Arrays;
import java.util.List;

/**
 * The best scores of a sequence instead of all, so that a device hands over a few numbers for each token and not a vocabulary
 * of them. Scores stand in the order of their tokens, so that processors and sampler, run on them, add the same numbers in the
 * same order as on all scores; what is left out would have been banned. Where that is not certain because of ties, the caller
 * must look at all scores instead.
 */
final class Shortlist {
    /** Scores beyond those that are wanted, for ties among the last of them. */
    private static final int SPARE = 16;

    /** The most that every device finds; see {@link io.quern.tensor.op.Reduce.TopK}. */
    private static final int MOST = 1024;

    private final int wanted;
    private final float[] ranked;
    private final long[] order;
    private final float[] scores;
    private final int[] tokens;

    private Shortlist(int wanted, int size) {
        this.wanted = wanted;
        ranked = new float[size];
        order = new long[size];
        scores = new float[size];
        tokens = new int[size];
    }

    /** The shortlist for greedy decoding or sampling, or null where processors or the sampler may need any score. */
    static Shortlist of(GenerationConfig config, List<LogitsProcessor> custom, int vocabSize) {
        boolean changesAny = !custom.isEmpty()
                || config.repetitionPenalty() != 1
                || config.noRepeatNgramSize() > 0
                || config.minNewTokens() > 0;
        if (changesAny || config.doSample() && config.topK() == 0) {
            return null;
        }
        return config.doSample() ? ofBest(config.topK(), vocabSize) : ofSize(1, 1, vocabSize);
    }

    /** The shortlist for a search of the best {@code wanted} continuations, or null if it would be too long. */
    static Shortlist ofBest(int wanted, int vocabSize) {
        return ofSize(wanted, (long) wanted + SPARE, vocabSize);
    }

    private static Shortlist ofSize(int wanted, long size, int vocabSize) {
        return size <= MOST && size < vocabSize ? new Shortlist(wanted, (int) size) : null;
    }

    int size() {
        return ranked.length;
    }

    /** Takes {@link #size} scores and their tokens, best first, from index {@code at} on. */
    void fill(float[] bestScores, int[] bestTokens, int at) {
        System.arraycopy(bestScores, at, ranked, 0, ranked.length);
        for (int i = 0; i < order.length; i++) {
            order[i] = (long) bestTokens[at + i] << 32 | i;
        }
        Arrays.sort(order);
        for (int i = 0; i < order.length; i++) {
            tokens[i] = (int) (order[i] >> 32);
            scores[i] = ranked[(int) order[i]];
        }
    }

    /** The scores in the order of their tokens, to be changed in place. */
    float[] scores() {
        return scores;
    }

    int token(int i) {
        return tokens[i];
    }

    /** The best score, as it was. */
    float best() {
        return ranked[0];
    }

    /** Whether the last of the wanted scores, divided by the temperature, is above all that are not here. */
    boolean hasBest(double temperature) {
        float divisor = (float) temperature;
        return ranked[wanted - 1] / divisor > ranked[ranked.length - 1] / divisor;
    }

    /** Whether {@code sum} plus the last of the wanted scores is above that plus any that is not here. */
    boolean hasBestAfter(double sum) {
        return sum + ranked[wanted - 1] > sum + ranked[ranked.length - 1];
    }
}
