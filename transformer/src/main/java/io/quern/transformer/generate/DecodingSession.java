package io.quern.transformer.generate;

import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.KvCache;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** A model at work on some sequences: tokens go in, scores of the next tokens come out, once a step. */
final class DecodingSession implements AutoCloseable {
    /** Tokens of the prompt that go through the model at once: enough to be efficient, few enough to be cancelled soon. */
    private static final int CHUNK = 512;

    private final CausalLanguageModel model;
    private final KvCache cache;
    private final int vocabSize;
    private final boolean logProbabilities;
    private final Shortlist shortlist;
    private final DecodingStep step;
    private Tensor last;
    private float[] scores = new float[0];
    private boolean complete;
    private float[] best = new float[0];
    private int[] bestTokens = new int[0];
    private int rows;

    private long prefillNanos;
    private int prefillTokens;
    private long decodeNanos;
    private long decodeTokens;

    /**
     * @param sequences the most that will be decoded at a time
     * @param logProbabilities whether scores are logarithms of probabilities instead of logits
     * @param shortlist of which size the best scores are wanted after each step; null if all are
     */
    DecodingSession(CausalLanguageModel model, int sequences, boolean logProbabilities, Shortlist shortlist) {
        this.model = model;
        this.cache = model.newCache(sequences);
        this.vocabSize = model.vocabSize();
        this.logProbabilities = logProbabilities;
        this.shortlist = shortlist;
        this.step = new DecodingStep(model, cache, this::results);
    }

    int vocabSize() {
        return vocabSize;
    }

    /**
     * Runs the prompt as the only sequence.
     *
     * @param room how many tokens will follow
     * @return false if cancelled before the end
     */
    boolean prefill(int[] prompt, int room, Cancellation cancellation) {
        long start = System.nanoTime();
        cache.reserve(Math.min(model.contextLength(), prompt.length + Math.min(room, CHUNK)));
        for (int at = 0; at < prompt.length; at += CHUNK) {
            if (cancellation.isRequested()) {
                return false;
            }
            prefill(Arrays.copyOfRange(prompt, at, Math.min(prompt.length, at + CHUNK)));
        }
        prefillTokens = prompt.length;
        prefillNanos = System.nanoTime() - start;
        return true;
    }

    /** Goes on with {@code tokens[i]} after the old sequence {@code parents[i]}, as the new sequence i. */
    void step(int[] parents, int[] tokens) {
        long start = System.nanoTime();
        cache.select(parents);
        drop();
        take(step.run(tokens), tokens.length);
        decodeTokens += tokens.length;
        decodeNanos += System.nanoTime() - start;
    }

    private void prefill(int[] tokens) {
        drop();
        Scope.run(() -> {
            List<Tensor> results = results(model.lastLogits(Tensor.of(tokens, 1, tokens.length), cache));
            take(results, 1);
            last.keep();
            return null;
        });
    }

    /** Scores [B, V] of logits; then, if there is a shortlist, the best of them and their tokens. */
    private List<Tensor> results(Tensor logits) {
        Tensor all = logProbabilities ? logits.logSoftmax() : logits;
        if (shortlist == null) {
            return List.of(all);
        }
        List<Tensor> top = all.topK(shortlist.size());
        return List.of(all, top.get(0), top.get(1));
    }

    private void take(List<Tensor> results, int sequences) {
        last = results.get(0);
        rows = sequences;
        complete = false;
        if (shortlist == null) {
            readAll();
        } else {
            readBest(results.get(1), results.get(2));
        }
    }

    private void readAll() {
        int size = Math.multiplyExact(rows, vocabSize);
        if (scores.length < size) {
            scores = new float[size];
        }
        last.readInto(MemorySegment.ofArray(scores).asSlice(0, 4L * size));
        complete = true;
    }

    private void readBest(Tensor topScores, Tensor topTokens) {
        int size = Math.multiplyExact(rows, shortlist.size());
        if (best.length < size) {
            best = new float[size];
            bestTokens = new int[size];
        }
        topScores.readInto(MemorySegment.ofArray(best).asSlice(0, 4L * size));
        topTokens.readInto(MemorySegment.ofArray(bestTokens).asSlice(0, 4L * size));
    }

    /** Fills the shortlist with the best scores of what follows sequence {@code row}. */
    void shortlist(int row) {
        shortlist.fill(best, bestTokens, Objects.checkIndex(row, rows) * shortlist.size());
        if (Float.isNaN(shortlist.best())) {
            throw damaged();
        }
    }

    /** Copies all scores of what follows sequence {@code row}. */
    void scores(int row, float[] into) {
        if (!complete) {
            readAll();
        }
        System.arraycopy(scores, Objects.checkIndex(row, rows) * vocabSize, into, 0, vocabSize);
        for (float s : into) {
            if (s != s) {
                throw damaged();
            }
        }
    }

    private static TensorException damaged() {
        return new TensorException("the model's logits are not numbers (NaN); its weights may be damaged");
    }

    private void drop() {
        if (last != null) {
            last.close();
            last = null;
        }
    }

    GenerationResult.Timings timings() {
        return new GenerationResult.Timings(prefillNanos / 1e9, prefillTokens, decodeNanos / 1e9, decodeTokens);
    }

    @Override
    public void close() {
        drop();
        step.close();
        cache.close();
    }
}
