package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Elementwise.UnaryKind;
import io.quern.tensor.op.Reduce;
import java.util.List;

/** A function of rows of F32 plus a bias, and its gradients. A row is in the first-level cache for both steps. */
final class BiasKernels {
    private BiasKernels() {}

    /** y = f(x + bias). */
    static void forward(UnaryKind kind, Tensor x, Tensor bias, Tensor y) {
        int c = x.dim(-1);
        long b = bias.address();
        SoftmaxKernels.forRows(x, (from, to) -> {
            for (long r = from; r < to; r++) {
                long row = y.address() + 4 * r * c;
                BinaryKernels.run(BinaryKind.ADD, x.address() + 4 * r * c, b, row, c);
                UnaryKernels.run(kind, row, row, c);
            }
        });
    }

    /** dx = f'(x + bias) dy; dBias is the sum of its rows. Overwrites both. */
    static void backward(UnaryKind kind, Tensor x, Tensor bias, Tensor dy, Tensor dx, Tensor dBias) {
        int c = x.dim(-1);
        long b = bias.address();
        SoftmaxKernels.forRows(x, (from, to) -> {
            for (long r = from; r < to; r++) {
                long offset = 4 * r * c;
                long row = dx.address() + offset;
                BinaryKernels.run(BinaryKind.ADD, x.address() + offset, b, row, c);
                UnaryGradKernels.run(kind, row, dy.address() + offset, row, c);
            }
        });
        ReduceKernels.run(new Reduce.Axes(Reduce.Kind.SUM, dx, List.of()), new Tensor[] {dx}, new Tensor[] {dBias});
    }
}
