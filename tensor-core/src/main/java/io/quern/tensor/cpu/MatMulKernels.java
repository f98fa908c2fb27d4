package io.quern.tensor.cpu;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;

/**
 * Matrix products of any number of outer dimensions by way of {@link Gemm}. Outer dimensions that lie in memory as more
 * rows of one matrix, as activations times a weight do, become just that; the innermost of the others is a batch, and the
 * rest a loop.
 */
final class MatMulKernels {
    private MatMulKernels() {}

    /** Operands a, b and bias (or null), as {@link io.quern.tensor.op.MatMul} has them. */
    static void run(Tensor[] in, Tensor out) {
        if (out.size() > 0) {
            Outer outer = new Outer(in[0], in[1], out);
            outer.run(0, in[0].address(), in[1].address(), out.address(), in[2] == null ? 0 : in[2].address());
        }
    }

    /** Sizes and strides, in elements; broadcast dimensions have stride 0. */
    private static final class Outer {
        private final int[] dims;
        private final long[] aStrides;
        private final long[] bStrides;
        private final long[] cStrides;
        private final int m;
        private final int n;
        private final int k;
        private final long aRow;
        private final long aCol;
        private final long bRow;
        private final long bCol;

        Outer(Tensor a, Tensor b, Tensor c) {
            int count = c.shape().rank() - 2;
            dims = new int[count];
            for (int i = 0; i < count; i++) {
                dims[i] = c.dim(i);
            }
            aStrides = broadcast(a, count);
            bStrides = broadcast(b, count);
            cStrides = broadcast(c, count);
            m = a.dim(-2);
            n = b.dim(-1);
            k = a.dim(-1);
            aRow = a.stride(-2);
            aCol = a.stride(-1);
            bRow = b.stride(-2);
            bCol = b.stride(-1);
        }

        private static long[] broadcast(Tensor t, int count) {
            long[] strides = new long[count];
            Shape s = t.shape();
            int missing = count - (s.rank() - 2);
            for (int i = missing; i < count; i++) {
                strides[i] = s.dim(i - missing) == 1 ? 0 : t.stride(i - missing);
            }
            return strides;
        }

        void run(int level, long a, long b, long c, long bias) {
            if (level == 0 && isOneMatrix()) {
                int rows = m;
                for (int d : dims) {
                    rows = Math.multiplyExact(rows, d);
                }
                Gemm.f32(rows, n, k, a, m == 1 ? rowStride() : aRow, aCol, b, bRow, bCol, c, n, bias, false);
            } else if (level == dims.length) {
                Gemm.f32(m, n, k, a, aRow, aCol, b, bRow, bCol, c, n, bias, false);
            } else if (level == dims.length - 1) {
                Gemm.f32Batched(
                        dims[level],
                        m,
                        n,
                        k,
                        a,
                        aStrides[level],
                        aRow,
                        aCol,
                        b,
                        bStrides[level],
                        bRow,
                        bCol,
                        c,
                        (long) m * n,
                        n,
                        bias,
                        false);
            } else {
                for (int i = 0; i < dims[level]; i++) {
                    run(
                            level + 1,
                            a + Float.BYTES * i * aStrides[level],
                            b + Float.BYTES * i * bStrides[level],
                            c + Float.BYTES * i * cStrides[level],
                            bias);
                }
            }
        }

        /** Whether b is the same for all and the rows of all a follow each other at one distance. */
        private boolean isOneMatrix() {
            long expected = (m == 1 ? rowStride() : aRow) * m;
            for (int i = dims.length - 1; i >= 0; i--) {
                if (dims[i] != 1 && (bStrides[i] != 0 || aStrides[i] != expected)) {
                    return false;
                }
                expected *= dims[i];
            }
            return true;
        }

        /** The distance of rows where each matrix a has just one: that of the innermost outer dimension. */
        private long rowStride() {
            for (int i = dims.length - 1; i >= 0; i--) {
                if (dims[i] != 1) {
                    return aStrides[i];
                }
            }
            return aRow;
        }
    }
}
