package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * y = x W for a W whose columns are contiguous, as linear layers hold it ([n, k] by rows): a dot product for each
 * element. The sum runs over k in the lanes of one vector; the lanes are added pairwise, then come the elements that
 * fill no vector. Not {@code reduceLanes}, which may add in any order and differs between interpreter and compiler.
 */
final class GemvRows {
    /** Dot products computed side by side. */
    static final int TOGETHER = 4;

    private static final VectorSpecies<Float> S = GemmLoad.F;
    private static final int L = S.length();

    /** Elements of W widened at a time when several rows of x share them; they stay in the first-level cache. */
    private static final int STAGE = 8192;

    private GemvRows() {}

    /** Columns {@code j0 to j0 + columns - 1} of the product, to {@code y[m, columns]}. */
    static void multiply(GemmCall g, float[] x, int j0, int columns, float[] y) {
        if (g.m() == 1) {
            one(g, x, j0, columns, y);
        } else {
            several(g, x, j0, columns, y);
        }
    }

    private static void one(GemmCall g, float[] x, int j0, int columns, float[] y) {
        int k = g.k();
        long step = g.bCol() * g.type().bytes();
        float[] sums = new float[TOGETHER * L];
        for (int j = 0; j < columns; j += TOGETHER) {
            int some = Math.min(TOGETHER, columns - j);
            long w = g.bAt(0, j0 + j);
            // The last group repeats its last column rather than read beyond W.
            long w1 = w + Math.min(1, some - 1) * step;
            long w2 = w + Math.min(2, some - 1) * step;
            long w3 = w + Math.min(3, some - 1) * step;
            switch (g.type()) {
                case BF16 -> dotBf16(k, x, w, w1, w2, w3, sums);
                case F16 -> dotF16(k, x, w, w1, w2, w3, sums);
                default -> dotF32(k, x, w, w1, w2, w3, sums);
            }
            for (int r = 0; r < some; r++) {
                y[j + r] = finish(g, x, 0, sums, r * L, w + r * step);
            }
        }
    }

    private static void dotF32(int k, float[] x, long w0, long w1, long w2, long w3, float[] sums) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector v = FloatVector.fromArray(S, x, p);
            s0 = v.fma(FloatVector.fromMemorySegment(S, OffHeap.ALL, w0 + 4L * p, OffHeap.ORDER), s0);
            s1 = v.fma(FloatVector.fromMemorySegment(S, OffHeap.ALL, w1 + 4L * p, OffHeap.ORDER), s1);
            s2 = v.fma(FloatVector.fromMemorySegment(S, OffHeap.ALL, w2 + 4L * p, OffHeap.ORDER), s2);
            s3 = v.fma(FloatVector.fromMemorySegment(S, OffHeap.ALL, w3 + 4L * p, OffHeap.ORDER), s3);
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, L);
        s2.intoArray(sums, 2 * L);
        s3.intoArray(sums, 3 * L);
    }

    private static void dotBf16(int k, float[] x, long w0, long w1, long w2, long w3, float[] sums) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector v = FloatVector.fromArray(S, x, p);
            s0 = v.fma(GemmLoad.bf16(w0 + 2L * p), s0);
            s1 = v.fma(GemmLoad.bf16(w1 + 2L * p), s1);
            s2 = v.fma(GemmLoad.bf16(w2 + 2L * p), s2);
            s3 = v.fma(GemmLoad.bf16(w3 + 2L * p), s3);
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, L);
        s2.intoArray(sums, 2 * L);
        s3.intoArray(sums, 3 * L);
    }

    private static void dotF16(int k, float[] x, long w0, long w1, long w2, long w3, float[] sums) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector v = FloatVector.fromArray(S, x, p);
            s0 = v.fma(GemmLoad.f16(w0 + 2L * p), s0);
            s1 = v.fma(GemmLoad.f16(w1 + 2L * p), s1);
            s2 = v.fma(GemmLoad.f16(w2 + 2L * p), s2);
            s3 = v.fma(GemmLoad.f16(w3 + 2L * p), s3);
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, L);
        s2.intoArray(sums, 2 * L);
        s3.intoArray(sums, 3 * L);
    }

    /** Widens some columns of W and takes them times four rows of x at a time. */
    private static void several(GemmCall g, float[] x, int j0, int columns, float[] y) {
        int k = g.k();
        int together = Math.max(1, Math.min(columns, STAGE / k));
        float[] w = GemmScratch.take(together * k);
        float[] sums = new float[4 * L];
        for (int j = 0; j < columns; j += together) {
            int some = Math.min(together, columns - j);
            for (int r = 0; r < some; r++) {
                GemmLoad.row(g.type(), g.bAt(0, j0 + j + r), k, w, r * k);
            }
            for (int i = 0; i < g.m(); i += 4) {
                int rows = Math.min(4, g.m() - i);
                int x1 = (i + Math.min(1, rows - 1)) * k;
                int x2 = (i + Math.min(2, rows - 1)) * k;
                int x3 = (i + Math.min(3, rows - 1)) * k;
                for (int r = 0; r < some; r++) {
                    dot(k, w, r * k, x, i * k, x1, x2, x3, sums);
                    long at = g.bAt(0, j0 + j + r);
                    for (int q = 0; q < rows; q++) {
                        y[(i + q) * columns + j + r] = finish(g, x, (i + q) * k, sums, q * L, at);
                    }
                }
            }
        }
        GemmScratch.give(w);
    }

    private static void dot(int k, float[] w, int at, float[] x, int x0, int x1, int x2, int x3, float[] sums) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector v = FloatVector.fromArray(S, w, at + p);
            s0 = FloatVector.fromArray(S, x, x0 + p).fma(v, s0);
            s1 = FloatVector.fromArray(S, x, x1 + p).fma(v, s1);
            s2 = FloatVector.fromArray(S, x, x2 + p).fma(v, s2);
            s3 = FloatVector.fromArray(S, x, x3 + p).fma(v, s3);
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, L);
        s2.intoArray(sums, 2 * L);
        s3.intoArray(sums, 3 * L);
    }

    /** The sum of the lanes at {@code sums[at ...]} and of the last elements, of a row of x and the column at w. */
    private static float finish(GemmCall g, float[] x, int xAt, float[] sums, int at, long w) {
        for (int half = L / 2; half > 0; half /= 2) {
            for (int i = at; i < at + half; i++) {
                sums[i] += sums[i + half];
            }
        }
        float sum = sums[at];
        for (int p = g.k() - g.k() % L; p < g.k(); p++) {
            sum = Math.fma(
                    x[xAt + p],
                    GemmReference.element(g.type(), w + (long) p * g.type().bytes()),
                    sum);
        }
        return sum;
    }
}
