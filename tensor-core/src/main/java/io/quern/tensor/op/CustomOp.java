package io.quern.tensor.op;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;

/**
 * An operation of your own: extend this, state shapes, saved tensors and gradient, and write {@link #runOnHost}. It runs
 * on the CPU; on another device it is refused, never moved.
 */
public abstract non-sealed class CustomOp implements Op {
    @Override
    public boolean hasGradient(int result) {
        return true;
    }

    /**
     * Computes the results on {@link Device#CPU}; operands are packed unless {@link #layout} says otherwise. Use
     * {@link Tensor#data()} for the memory.
     */
    public abstract void runOnHost(Tensor[] in, Tensor[] out);
}
