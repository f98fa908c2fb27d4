package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Elementwise.UnaryKind;
import io.quern.tensor.op.Reduce;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A function of rows of F32 plus a bias, and its gradients. In Java, short rows go together, as many as the function takes at a time, so
 * that they are in the first-level cache for both steps.
 */
final class BiasKernels {
    private BiasKernels() {}

    /** y = f(x + bias). */
    static void forward(UnaryKind kind, Tensor x, Tensor bias, Tensor y) {
        prepare(kind, x, bias, y).run();
    }

    static Runnable prepare(UnaryKind kind, Tensor x, Tensor bias, Tensor y) {
        int c = x.dim(-1);
        long b = bias.address();
        if (MachineCode.isUsed()) {
            MemorySegment code = RowCode.map(kind, true);
            Workers.RangeTask task = (from, to) ->
                    NativeCall.call(code, x.address() + 4 * from * c, y.address() + 4 * from * c, c, to - from, b, 0);
            return () -> SoftmaxKernels.forRows(x, task);
        }
        Workers.RangeTask task = (from, to) -> {
            int step = together(c);
            for (long r = from; r < to; r += step) {
                int rows = (int) Math.min(step, to - r);
                long sum = y.address() + 4 * r * c;
                add(x.address() + 4 * r * c, b, sum, rows, c);
                UnaryKernels.run(kind, sum, sum, rows * c);
            }
        };
        return () -> SoftmaxKernels.forRows(x, task);
    }

    /** dx = f'(x + bias) dy; dBias is the sum of its rows. Overwrites both. */
    static void backward(UnaryKind kind, Tensor x, Tensor bias, Tensor dy, Tensor dx, Tensor dBias) {
        int c = x.dim(-1);
        long b = bias.address();
        SoftmaxKernels.forRows(x, (from, to) -> {
            if (MachineCode.isUsed()) {
                long first = 4 * from * c;
                MemorySegment code = RowCode.gradient(kind, true);
                NativeCall.call(code, x.address() + first, dx.address() + first, c, to - from, b, dy.address() + first);
                return;
            }
            int step = together(c);
            for (long r = from; r < to; r += step) {
                int rows = (int) Math.min(step, to - r);
                long offset = 4 * r * c;
                long sum = dx.address() + offset;
                add(x.address() + offset, b, sum, rows, c);
                UnaryGradKernels.run(kind, sum, dy.address() + offset, sum, rows * c);
            }
        });
        ReduceKernels.run(new Reduce.Axes(Reduce.Kind.SUM, dx, List.of()), new Tensor[] {dx}, new Tensor[] {dBias});
    }

    /** Rows of c numbers that make a block of the function. */
    private static int together(int c) {
        return Math.max(1, UnaryKernels.BLOCK / Math.max(1, c));
    }

    private static void add(long x, long bias, long y, int rows, int c) {
        BinaryKernels.rows(BinaryKind.ADD, x, bias, 0, y, rows, c);
    }
}
