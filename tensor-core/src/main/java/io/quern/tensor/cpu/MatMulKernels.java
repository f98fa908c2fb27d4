package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.Arrays;

/**
 * Turns a product of tensors into as few calls of {@link Gemm} as the strides allow: one where a single matrix b serves
 * all rows of a, a batch else. Transposed operands are read as they are.
 */
final class MatMulKernels {
    private static final int A = 0;
    private static final int B = 1;
    private static final int C = 2;

    /** Multiplications that are worth a task; larger matrices are shared out in themselves. */
    private static final long TASK = 1 << 20;

    private MatMulKernels() {}

    /** In F32. */
    static void run(Tensor a, Tensor b, Tensor bias, Tensor out) {
        if (out.size() == 0) {
            return;
        }
        int m = a.dim(-2);
        int n = b.dim(-1);
        int k = a.dim(-1);
        long add = bias == null ? 0 : bias.address();
        if (oneMatrix(a, b, out)) {
            Gemm.run(rows(DType.F32, a, b, add, out));
            return;
        }
        int outer = out.shape().rank() - 2;
        Shape batch = Shape.of(Arrays.copyOf(out.shape().dims(), outer));
        Runs runs = Runs.of(batch, outer(a, batch), outer(b, batch), Arrays.copyOf(out.strides(), outer));
        long products = Math.max(1, (long) m * n * k);
        Runs.Task task = (o, count) -> Gemm.f32Batched(
                count,
                m,
                n,
                k,
                a.address() + 4 * o[A],
                runs.innerStride(A),
                row(a),
                column(a),
                b.address() + 4 * o[B],
                runs.innerStride(B),
                row(b),
                column(b),
                out.address() + 4 * o[C],
                (long) m * n,
                n,
                add,
                false);
        if (runs.rank() == 1 || products > TASK) {
            for (long i = 0; i < runs.outer(); i++) {
                task.run(runs.offsets(i), runs.inner());
            }
        } else {
            runs.parallel((int) Math.max(1, TASK / products), task);
        }
    }

    /** BF16 or F16. A shared matrix b, as weights are, is widened while it is packed, anything else before. */
    static void halves(Tensor a, Tensor b, Tensor bias, Tensor out) {
        try (Tensor wideA = CastKernels.widened(a);
                Tensor wideBias = bias == null ? null : CastKernels.widened(bias);
                Tensor wideOut = Tensor.empty(Device.CPU, DType.F32, out.shape())) {
            if (out.size() > 0 && oneMatrix(wideA, b, out)) {
                GemmCall call = rows(b.dtype(), wideA, b, wideBias == null ? 0 : wideBias.address(), wideOut);
                Gemm.run(call, a.dtype());
            } else {
                try (Tensor wideB = CastKernels.widened(b)) {
                    run(wideA, wideB, wideBias, wideOut);
                }
            }
            CastKernels.narrow(wideOut, out);
        }
    }

    /**
     * F32 times a weight [K, N] of fewer bits, which is widened while it is read; before, if rows of a lie unevenly.
     */
    static void weights(Tensor a, Tensor b, Tensor bias, Tensor out) {
        if (out.size() == 0) {
            return;
        }
        if (oneMatrix(a, b, out)) {
            Gemm.run(rows(b.dtype(), a, b, bias == null ? 0 : bias.address(), out));
        } else if (b.dtype().isQuantized()) {
            try (Tensor wide = CastKernels.widened(b.transpose(0, 1))) { // [N, K]
                run(a, wide.transpose(0, 1), bias, out);
            }
        } else {
            try (Tensor wide = CastKernels.widened(b)) {
                run(a, wide, bias, out);
            }
        }
    }

    /** Whether all rows of a lie at one distance and meet the same matrix b. */
    static boolean oneMatrix(Tensor a, Tensor b, Tensor out) {
        for (int i = 0; i < b.shape().rank() - 2; i++) {
            if (b.dim(i) != 1) {
                return false;
            }
        }
        // b adds no outer dimension but of size 1, so all rows of the result are rows of a
        return out.size() / out.dim(-1) <= Integer.MAX_VALUE && rowsOf(a).rank() == 1;
    }

    /** The rows of a tensor, outer dimensions included. */
    private static Runs rowsOf(Tensor a) {
        int rank = a.shape().rank() - 1;
        return Runs.of(Shape.of(Arrays.copyOf(a.shape().dims(), rank)), Arrays.copyOf(a.strides(), rank));
    }

    /** A product of F32 with a weight [K, N] of any type that is one call of {@link Gemm}; null if it takes more. */
    static Runnable prepare(Tensor a, Tensor b, Tensor bias, Tensor out) {
        if (out.size() == 0 || !oneMatrix(a, b, out)) {
            return null;
        }
        GemmCall call = rows(b.dtype(), a, b, bias == null ? 0 : bias.address(), out);
        return () -> Gemm.run(call);
    }

    private static GemmCall rows(DType type, Tensor a, Tensor b, long bias, Tensor out) {
        int n = b.dim(-1);
        Runs rows = rowsOf(a);
        return new GemmCall(
                rows.inner(),
                n,
                a.dim(-1),
                a.address(),
                rows.innerStride(0),
                column(a),
                type,
                b.address(),
                row(b),
                column(b),
                out.address(),
                n,
                bias,
                false);
    }

    /** Strides of the outer dimensions, broadcast. */
    private static long[] outer(Tensor t, Shape batch) {
        long[] s = new long[batch.rank()];
        int own = t.shape().rank() - 2;
        for (int i = 0; i < own; i++) {
            int at = s.length - own + i;
            s[at] = t.dim(i) == 1 ? 0 : t.strides()[i];
        }
        return s;
    }

    /** The stride of rows; where there is one row, any will do. */
    static long row(Tensor t) {
        return t.dim(-2) == 1 ? 1 : t.stride(-2);
    }

    static long column(Tensor t) {
        return t.dim(-1) == 1 ? 1 : t.stride(-1);
    }
}
