package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Op;

/** The scalar twins. */
final class ScalarKernels implements Kernels {
    @Override
    public void run(Op op, Tensor[] in, Tensor[] out) {
        throw new IllegalStateException(op.name());
    }

    @Override
    public String description() {
        return "scalar kernels";
    }
}
