package io.quern.transformer;

import io.quern.nn.Losses;
import io.quern.nn.MixedPrecision;
import io.quern.nn.Module;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.List;

/**
 * A decoder that predicts the next token. An architecture says how tokens become hidden states and those become logits;
 * what training, evaluation and generation ask for follows from that. B is the batch, T the tokens, C the width, V the
 * vocabulary.
 */
public abstract class CausalLanguageModel extends Module {
    private boolean recompute;
    private DType computeType = DType.F32;

    public abstract ModelConfig config();

    /** Where the parameters are. */
    public abstract Device device();

    /** An empty cache for up to {@code rows} sequences at a time; the caller closes it. */
    public abstract KvCache newCache(int rows);

    /**
     * Hidden states [B, T, C] after the final norm.
     *
     * @param batch on the model's device, not longer than the context
     * @param cache of the tokens before these, in a step that has begun; or null
     * @param states takes the embedding and the output of every block but the last; or null
     */
    protected abstract Tensor encode(TokenBatch batch, KvCache cache, List<Tensor> states);

    /** Logits [..., V] of hidden states [..., C]. */
    protected abstract Tensor project(Tensor hidden);

    /**
     * Whether training keeps only what passes between blocks, and computes what is inside them again in the backward pass:
     * less memory for more time, and the same gradients. Off at first.
     */
    public final void setRecompute(boolean on) {
        recompute = on;
    }

    /** Whether an architecture is to wrap its blocks in {@link io.quern.nn.Recompute}. */
    protected final boolean recomputes() {
        return recompute;
    }

    public final int vocabSize() {
        return config().vocabSize();
    }

    /** The most tokens that a sequence can have. */
    public final int contextLength() {
        return config().contextLength();
    }

    /** Logits [B, T, V] of what follows each token of ids (I32 [B, T]). */
    public final Tensor logits(Tensor ids) {
        return logits(TokenBatch.of(ids));
    }

    /** Logits [B, T, V] of what follows each token; undefined where a sequence is padded. */
    public final Tensor logits(TokenBatch batch) {
        return Scope.tidy(() -> project(encode(checked(batch), null, null)));
    }

    /** Logits [B, V] of what follows the last token, without those of the other positions. */
    public final Tensor lastLogits(TokenBatch batch) {
        return Scope.tidy(() -> project(last(encode(checked(batch), null, null))));
    }

    /**
     * Logits [B, V] of what follows the last of these tokens (I32 [B, T]), which continue those in the cache and are added
     * to it. Never recorded for gradients.
     *
     * @throws TensorException if the sequences get longer than the context; the cache is then as it was
     */
    public final Tensor lastLogits(Tensor ids, KvCache cache) {
        TokenBatch batch = TokenBatch.of(ids);
        cache.begin(ids.dim(0), ids.dim(1));
        Tensor logits = stepLogits(batch, cache);
        cache.end();
        return logits;
    }

    /**
     * As {@link #lastLogits(Tensor, KvCache)}, in a step of the cache that the caller begins and ends.
     *
     * @param batch not padded
     */
    public final Tensor stepLogits(TokenBatch batch, KvCache cache) {
        return Scope.tidy(() -> Tape.noGrad(() -> project(last(encode(batch.to(device()), cache, null)))));
    }

    /** The embedding [B, T, C], then the output of each block; the last one is taken after the final norm. */
    public final List<Tensor> hiddenStates(TokenBatch batch) {
        return Scope.tidy(() -> {
            List<Tensor> states = new ArrayList<>();
            states.add(encode(checked(batch), null, states));
            return states;
        });
    }

    /** Mean cross-entropy of targets (I32 [B, T]) after inputs (I32 [B, T]); targets of {@link Losses#IGNORE} do not count. */
    public final Tensor loss(Tensor inputs, Tensor targets) {
        return loss(inputs, targets, 0);
    }

    /** The same with label smoothing, which takes that part of a target's weight and shares it out among all tokens. */
    public final Tensor loss(Tensor inputs, Tensor targets, double smoothing) {
        if (recompute && computeType != DType.F32) {
            throw new TensorException(
                    "activations cannot be recomputed in mixed precision, whose copies of the weights are"
                            + " gone by then; choose one of the two");
        }
        return MixedPrecision.run(
                this,
                computeType,
                () -> Losses.crossEntropy(logits(inputs), targets.to(device()), null, Losses.IGNORE, smoothing));
    }

    /**
     * In which type {@link #loss} computes; F32 unless set.
     *
     * @param type F32, or BF16 for mixed precision: copies of the parameters and all that passes between layers have 16 bits,
     *     while parameters, their gradients and the optimizer's state keep 32
     */
    public final void computeLossIn(DType type) {
        MixedPrecision.check(type);
        computeType = type;
    }

    private TokenBatch checked(TokenBatch batch) {
        if (batch.ids().dim(1) > contextLength()) {
            throw new TensorException("a sequence of " + batch.ids().dim(1)
                    + " tokens is longer than the model's context of " + contextLength() + "; cut it into windows");
        }
        return batch.to(device());
    }

    private static Tensor last(Tensor hidden) {
        return hidden.select(1, hidden.dim(1) - 1);
    }
}
