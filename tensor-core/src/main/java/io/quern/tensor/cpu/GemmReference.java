package io.quern.tensor.cpu;

import io.quern.tensor.DType;

/**
 * The matrix products of {@link Gemm} in the obvious way, summed in double: what the fast ones are tested against, and
 * what runs where the Vector API is missing. Free of it, so that this class loads anywhere.
 */
public final class GemmReference {
    private GemmReference() {}

    /** Twin of {@link Gemm#f32}. */
    public static void f32(
            int m,
            int n,
            int k,
            long a,
            long aRow,
            long aCol,
            long b,
            long bRow,
            long bCol,
            long c,
            long ldc,
            long bias,
            boolean accumulate) {
        run(new GemmCall(m, n, k, a, aRow, aCol, DType.F32, b, bRow, bCol, c, ldc, bias, accumulate));
    }

    /** Twin of {@link Gemm#weights}. */
    public static void weights(
            DType type,
            int m,
            int n,
            int k,
            long a,
            long aRow,
            long aCol,
            long b,
            long bRow,
            long bCol,
            long c,
            long ldc,
            long bias,
            boolean accumulate) {
        run(new GemmCall(m, n, k, a, aRow, aCol, type, b, bRow, bCol, c, ldc, bias, accumulate));
    }

    /** Twin of {@link Gemm#f32Batched}. */
    public static void f32Batched(
            int batch,
            int m,
            int n,
            int k,
            long a,
            long aBatch,
            long aRow,
            long aCol,
            long b,
            long bBatch,
            long bRow,
            long bCol,
            long c,
            long cBatch,
            long ldc,
            long bias,
            boolean accumulate) {
        for (int i = 0; i < batch; i++) {
            long ai = a + i * aBatch * Float.BYTES;
            long bi = b + i * bBatch * Float.BYTES;
            f32(m, n, k, ai, aRow, aCol, bi, bRow, bCol, c + i * cBatch * Float.BYTES, ldc, bias, accumulate);
        }
    }

    static void run(GemmCall g) {
        Workers.parallelFor(g.m(), i -> {
            for (int j = 0; j < g.n(); j++) {
                double sum = g.accumulate() ? OffHeap.getFloat(g.cAt(i, j)) : 0;
                if (g.bias() != 0) {
                    sum += OffHeap.getFloat(g.bias() + 4L * j);
                }
                for (int p = 0; p < g.k(); p++) {
                    sum += (double) OffHeap.getFloat(g.aAt(i, p)) * element(g.type(), g.bAt(p, j));
                }
                OffHeap.setFloat(g.cAt(i, j), (float) sum);
            }
        });
    }

    /** An element of a matrix of weights, widened. */
    static float element(DType type, long address) {
        return switch (type) {
            case BF16 -> Float.intBitsToFloat(OffHeap.getShort(address) << 16);
            case F16 -> Float.float16ToFloat(OffHeap.getShort(address));
            default -> OffHeap.getFloat(address);
        };
    }
}
