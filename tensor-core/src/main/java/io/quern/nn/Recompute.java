package io.quern.nn;

import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import java.util.function.UnaryOperator;

/**
 * Activation checkpointing: what a part of a model computes between its argument and its result is not kept for the backward
 * pass, but computed again there. Gradients are the same bits, dropout included.
 */
public final class Recompute {
    private Recompute() {}

    /**
     * The result of {@code part}, such as a block. While nothing is recorded it is simply run. A part with running statistics,
     * such as batch norm, would count a batch twice.
     *
     * @param x the only result of recorded operations that the part depends on
     */
    public static Tensor of(Tensor x, UnaryOperator<Tensor> part) {
        TrainingMode mode = TrainingMode.current();
        return Tape.recompute(x, mode == null ? part : mode.repeatable(part));
    }
}
