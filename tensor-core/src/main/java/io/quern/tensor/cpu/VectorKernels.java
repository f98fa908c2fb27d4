package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Op;

/** Kernels on the Vector API. */
final class VectorKernels implements Kernels {
    private final Kernels scalar = new ScalarKernels();

    @Override
    public void run(Op op, Tensor[] in, Tensor[] out) {
        scalar.run(op, in, out);
    }

    @Override
    public String description() {
        return "Vector API kernels";
    }
}
