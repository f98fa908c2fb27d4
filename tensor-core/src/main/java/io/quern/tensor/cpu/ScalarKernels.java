package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import io.quern.tensor.op.View;

/**
 * The slow, obvious twin of every operation, for every dtype: operands become {@code double[]} in row-major order, plain
 * loops compute in float64, and results are rounded once. What other kernels compute is checked against these; where the
 * Vector API is absent they do the work.
 */
final class ScalarKernels implements Kernels {
    private final String description;

    ScalarKernels() {
        this("scalar kernels");
    }

    /** With a description that tells why they were chosen. */
    ScalarKernels(String description) {
        this.description = description;
    }

    @Override
    public void run(Op op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Elementwise e -> ScalarElementwise.run(e, in, out);
            case Reduce r -> ScalarReduce.run(r, in, out);
            case MatMul m -> ScalarMatMul.run(in[0], in[1], in[2], out[0]);
            case Norm n -> ScalarNorm.run(n, in, out);
            case Attention a -> ScalarAttention.run(a, in, out);
            case Conv c -> ScalarConv.run(c, in, out[0]);
            case Pool p -> ScalarPool.run(p, in, out);
            case Index i -> ScalarIndex.run(i, in, out[0]);
            case Loss l -> ScalarLoss.run(l, in, out);
            case Update u -> ScalarUpdate.run(u, in);
            case View v -> throw new IllegalStateException("a view runs nothing: " + v.name());
            case CustomOp c -> throw new IllegalStateException("a custom operation runs itself: " + c.name());
        }
    }

    @Override
    public String kernel(Op op, Tensor[] in, Tensor[] out) {
        return "scalar";
    }

    @Override
    public String description() {
        return description;
    }
}
