package io.quern.transformer.generate;

import io.quern.tensor.DType;
import io.quern.tensor.Recording;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.KvCache;
import io.quern.transformer.TokenBatch;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Function;

/**
 * Steps of one token a sequence. The first is recorded, and the others are replayed as long as the cache keeps its memory and
 * its number of sequences: what a model does for a token is the same each time, so there is no need to build it anew.
 */
final class DecodingStep implements AutoCloseable {
    private final CausalLanguageModel model;
    private final KvCache cache;
    private final Function<Tensor, List<Tensor>> results;
    private Tensor ids;
    private Recording recording;
    private int revision;
    private int recordedAt;

    /**
     * @param results what is wanted of logits [B, V]
     */
    DecodingStep(CausalLanguageModel model, KvCache cache, Function<Tensor, List<Tensor>> results) {
        this.model = model;
        this.cache = cache;
        this.results = results;
    }

    /** Adds a token to each sequence of the cache. The results live until the next step. */
    List<Tensor> run(int[] tokens) {
        cache.begin(tokens.length, 1);
        boolean replay = recording != null && recording.obstacle().isEmpty() && revision == cache.revision();
        if (!replay) {
            record(tokens);
        } else {
            ids.writeFrom(MemorySegment.ofArray(tokens));
            recording.replay(cache.length() - recordedAt);
        }
        cache.end();
        return recording.results();
    }

    private void record(int[] tokens) {
        close();
        ids = Tensor.empty(model.device(), DType.I32, Shape.of(tokens.length, 1))
                .keep()
                .writeFrom(MemorySegment.ofArray(tokens));
        revision = cache.revision();
        recordedAt = cache.length();
        TokenBatch batch = TokenBatch.of(ids);
        recording = Recording.of(() -> results.apply(model.stepLogits(batch, cache)));
    }

    @Override
    public void close() {
        if (recording != null) {
            recording.close();
            recording = null;
        }
        if (ids != null) {
            ids.close();
            ids = null;
        }
    }
}
