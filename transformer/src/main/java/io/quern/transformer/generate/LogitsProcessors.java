package io.quern.transformer.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/** The built-in processors, with the semantics of those of transformers. */
public final class LogitsProcessors {
    private static final float BANNED = Float.NEGATIVE_INFINITY;

    private LogitsProcessors() {}

    /**
     * The processors that a configuration asks for, in transformers' order: penalties and bans, then {@code custom} ones,
     * then, for sampling only, temperature and the filters.
     */
    public static List<LogitsProcessor> of(GenerationConfig c, List<LogitsProcessor> custom) {
        List<LogitsProcessor> all = new ArrayList<>();
        if (c.repetitionPenalty() != 1) {
            all.add(new RepetitionPenalty(c.repetitionPenalty()));
        }
        if (c.noRepeatNgramSize() > 0) {
            all.add(new NoRepeatNgram(c.noRepeatNgramSize()));
        }
        if (c.minNewTokens() > 0 && !c.eosTokenIds().isEmpty()) {
            all.add(new MinNewTokens(c.minNewTokens(), c.eosTokenIds()));
        }
        all.addAll(custom);
        if (c.doSample()) {
            if (c.temperature() != 1) {
                all.add(new Temperature(c.temperature()));
            }
            if (c.topK() > 0) {
                all.add(new TopK(c.topK()));
            }
            if (c.topP() < 1) {
                all.add(new TopP(c.topP()));
            }
            if (c.minP() > 0) {
                all.add(new MinP(c.minP()));
            }
        }
        return all;
    }

    /**
     * Weakens every token of prompt and continuation: a score below 0 is multiplied by the penalty, another divided by it.
     * Source: Keskar et al., "CTRL" (2019).
     */
    public static final class RepetitionPenalty implements LogitsProcessor {
        private final float penalty;
        private final BitSet seen = new BitSet();

        public RepetitionPenalty(double penalty) {
            this.penalty = (float) penalty;
        }

        @Override
        public String name() {
            return "repetition_penalty";
        }

        @Override
        public void process(float[] scores, TokenSequence tokens) {
            seen.clear();
            for (int i = 0; i < tokens.length(); i++) {
                int id = tokens.get(i);
                if (!seen.get(id)) {
                    seen.set(id);
                    scores[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
                }
            }
        }
    }

    /** Bans a token that would complete an n-gram which prompt and continuation already have. */
    public static final class NoRepeatNgram implements LogitsProcessor {
        private final int size;

        public NoRepeatNgram(int size) {
            this.size = size;
        }

        @Override
        public String name() {
            return "no_repeat_ngram_size";
        }

        @Override
        public void process(float[] scores, TokenSequence tokens) {
            int last = tokens.length() - size + 1;
            for (int start = 0; start < last; start++) {
                int i = 0;
                while (i < size - 1 && tokens.get(start + i) == tokens.get(last + i)) {
                    i++;
                }
                if (i == size - 1) {
                    scores[tokens.get(start + i)] = BANNED;
                }
            }
        }
    }

    /** Bans the end tokens until there are enough new tokens. */
    public static final class MinNewTokens implements LogitsProcessor {
        private final int count;
        private final int[] eos;

        public MinNewTokens(int count, List<Integer> eosTokenIds) {
            this.count = count;
            this.eos = eosTokenIds.stream().mapToInt(i -> i).toArray();
        }

        @Override
        public String name() {
            return "min_new_tokens";
        }

        @Override
        public void process(float[] scores, TokenSequence tokens) {
            if (tokens.newLength() < count) {
                for (int id : eos) {
                    if (id < scores.length) {
                        scores[id] = BANNED;
                    }
                }
            }
        }
    }

    /** Divides every score. */
    public static final class Temperature implements LogitsProcessor {
        private final float temperature;

        public Temperature(double temperature) {
            this.temperature = (float) temperature;
        }

        @Override
        public String name() {
            return "temperature";
        }

        @Override
        public void process(float[] scores, TokenSequence tokens) {
            for (int i = 0; i < scores.length; i++) {
                scores[i] /= temperature;
            }
        }
    }

    /** Keeps every score that is not below the k-th largest; ties stay. */
    public static final class TopK implements LogitsProcessor {
        private final int k;
        private TopScores largest;

        public TopK(int k) {
            this.k = k;
        }

        @Override
        public String name() {
            return "top_k";
        }

        @Override
        public void process(float[] scores, TokenSequence tokens) {
            if (k >= scores.length) {
                return;
            }
            if (largest == null) {
                largest = new TopScores(k);
            }
            largest.clear();
            largest.offerAll(scores, scores.length, 0);
            float threshold = largest.worst();
            for (int i = 0; i < scores.length; i++) {
                if (scores[i] < threshold) {
                    scores[i] = BANNED;
                }
            }
        }
    }

    /** Keeps the smallest set of likeliest tokens that sums to at least p. Source: Holtzman et al. (2020). */
    public static final class TopP implements LogitsProcessor {
        private final double p;
        private final ScoreHeap heap = new ScoreHeap();

        public TopP(double p) {
            this.p = p;
        }

        @Override
        public String name() {
            return "top_p";
        }

        @Override
        public void process(float[] scores, TokenSequence tokens) {
            heap.fill(scores);
            if (heap.size() == 0) {
                return;
            }
            float max = scores[heap.peek()];
            double sum = 0;
            for (float s : scores) {
                sum += s == BANNED ? 0 : Math.exp(s - max);
            }
            double above = 0;
            while (heap.size() > 0 && above < p * sum) {
                above += Math.exp(scores[heap.poll()] - max);
            }
            heap.forEachLeft(i -> scores[i] = BANNED);
        }
    }

    /** Keeps tokens with at least the given share of the likeliest one's probability. Source: Nguyen et al. (2024). */
    public static final class MinP implements LogitsProcessor {
        private final double share;

        public MinP(double share) {
            this.share = share;
        }

        @Override
        public String name() {
            return "min_p";
        }

        @Override
        public void process(float[] scores, TokenSequence tokens) {
            float max = BANNED;
            for (float s : scores) {
                max = Math.max(max, s);
            }
            for (int i = 0; i < scores.length; i++) {
                if (scores[i] != BANNED && Math.exp(scores[i] - max) < share) {
                    scores[i] = BANNED;
                }
            }
        }
    }

    static String names(List<LogitsProcessor> all) {
        return String.join(", ", all.stream().map(LogitsProcessor::name).toList());
    }

    /** For tests: a copy with the processors applied. */
    static float[] apply(List<LogitsProcessor> all, float[] scores, TokenSequence tokens) {
        float[] x = Arrays.copyOf(scores, scores.length);
        all.forEach(p -> p.process(x, tokens));
        return x;
    }
}
