package io.quern.tensor.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * y = x W for a W with contiguous rows, as GPT-2 holds it ([k, n]): each row of W, times an element of x, is added to
 * y. Four rows at a time, which divides the traffic of y by four and gives the memory four streams; each element of y
 * sums over k in rising order.
 */
final class GemvColumns {
    private static final VectorSpecies<Float> S = GemmLoad.F;
    private static final int L = S.length();

    private GemvColumns() {}

    /** Columns {@code j0 to j0 + columns - 1} of the product, to {@code y[m, columns]}. */
    static void multiply(GemmCall g, float[] x, int j0, int columns, float[] y) {
        Arrays.fill(y, 0, g.m() * columns, 0);
        int even = columns - columns % L;
        if (even > 0) {
            if (g.m() == 1) {
                one(g, x, j0, even, y);
            } else {
                several(g, x, j0, even, columns, y);
            }
        }
        for (int i = 0; i < g.m(); i++) {
            for (int j = even; j < columns; j++) {
                float sum = 0;
                for (int p = 0; p < g.k(); p++) {
                    sum = Math.fma(x[i * g.k() + p], GemmReference.element(g.type(), g.bAt(p, j0 + j)), sum);
                }
                y[i * columns + j] = sum;
            }
        }
    }

    private static void one(GemmCall g, float[] x, int j0, int columns, float[] y) {
        int k = g.k();
        long step = g.bRow() * g.type().bytes();
        int p = 0;
        for (; p <= k - 4; p += 4) {
            long w = g.bAt(p, j0);
            switch (g.type()) {
                case BF16 -> addBf16(columns, w, step, x, p, y);
                case F16 -> addF16(columns, w, step, x, p, y);
                default -> addF32(columns, w, step, x, p, y);
            }
        }
        if (p < k) {
            float[] w = GemmScratch.take(columns);
            for (; p < k; p++) {
                GemmLoad.row(g.type(), g.bAt(p, j0), columns, w, 0);
                add(columns, w, x[p], y, 0);
            }
            GemmScratch.give(w);
        }
    }

    private static void addF32(int columns, long w, long step, float[] x, int p, float[] y) {
        FloatVector x0 = FloatVector.broadcast(S, x[p]);
        FloatVector x1 = FloatVector.broadcast(S, x[p + 1]);
        FloatVector x2 = FloatVector.broadcast(S, x[p + 2]);
        FloatVector x3 = FloatVector.broadcast(S, x[p + 3]);
        for (int j = 0; j < columns; j += L) {
            long at = w + 4L * j;
            FloatVector s = FloatVector.fromArray(S, y, j);
            s = x0.fma(FloatVector.fromMemorySegment(S, OffHeap.ALL, at, OffHeap.ORDER), s);
            s = x1.fma(FloatVector.fromMemorySegment(S, OffHeap.ALL, at + step, OffHeap.ORDER), s);
            s = x2.fma(FloatVector.fromMemorySegment(S, OffHeap.ALL, at + 2 * step, OffHeap.ORDER), s);
            s = x3.fma(FloatVector.fromMemorySegment(S, OffHeap.ALL, at + 3 * step, OffHeap.ORDER), s);
            s.intoArray(y, j);
        }
    }

    private static void addBf16(int columns, long w, long step, float[] x, int p, float[] y) {
        FloatVector x0 = FloatVector.broadcast(S, x[p]);
        FloatVector x1 = FloatVector.broadcast(S, x[p + 1]);
        FloatVector x2 = FloatVector.broadcast(S, x[p + 2]);
        FloatVector x3 = FloatVector.broadcast(S, x[p + 3]);
        for (int j = 0; j < columns; j += L) {
            long at = w + 2L * j;
            FloatVector s = FloatVector.fromArray(S, y, j);
            s = x0.fma(GemmLoad.bf16(at), s);
            s = x1.fma(GemmLoad.bf16(at + step), s);
            s = x2.fma(GemmLoad.bf16(at + 2 * step), s);
            s = x3.fma(GemmLoad.bf16(at + 3 * step), s);
            s.intoArray(y, j);
        }
    }

    private static void addF16(int columns, long w, long step, float[] x, int p, float[] y) {
        FloatVector x0 = FloatVector.broadcast(S, x[p]);
        FloatVector x1 = FloatVector.broadcast(S, x[p + 1]);
        FloatVector x2 = FloatVector.broadcast(S, x[p + 2]);
        FloatVector x3 = FloatVector.broadcast(S, x[p + 3]);
        for (int j = 0; j < columns; j += L) {
            long at = w + 2L * j;
            FloatVector s = FloatVector.fromArray(S, y, j);
            s = x0.fma(GemmLoad.f16(at), s);
            s = x1.fma(GemmLoad.f16(at + step), s);
            s = x2.fma(GemmLoad.f16(at + 2 * step), s);
            s = x3.fma(GemmLoad.f16(at + 3 * step), s);
            s.intoArray(y, j);
        }
    }

    /** Widens four rows of W and takes them times all rows of x. */
    private static void several(GemmCall g, float[] x, int j0, int columns, int width, float[] y) {
        int k = g.k();
        float[] w = GemmScratch.take(4 * columns);
        int p = 0;
        for (; p <= k - 4; p += 4) {
            for (int q = 0; q < 4; q++) {
                GemmLoad.row(g.type(), g.bAt(p + q, j0), columns, w, q * columns);
            }
            for (int i = 0; i < g.m(); i++) {
                add4(columns, w, x, i * k + p, y, i * width);
            }
        }
        for (; p < k; p++) {
            GemmLoad.row(g.type(), g.bAt(p, j0), columns, w, 0);
            for (int i = 0; i < g.m(); i++) {
                add(columns, w, x[i * k + p], y, i * width);
            }
        }
        GemmScratch.give(w);
    }

    private static void add4(int columns, float[] w, float[] x, int p, float[] y, int at) {
        FloatVector x0 = FloatVector.broadcast(S, x[p]);
        FloatVector x1 = FloatVector.broadcast(S, x[p + 1]);
        FloatVector x2 = FloatVector.broadcast(S, x[p + 2]);
        FloatVector x3 = FloatVector.broadcast(S, x[p + 3]);
        for (int j = 0; j < columns; j += L) {
            FloatVector s = FloatVector.fromArray(S, y, at + j);
            s = x0.fma(FloatVector.fromArray(S, w, j), s);
            s = x1.fma(FloatVector.fromArray(S, w, columns + j), s);
            s = x2.fma(FloatVector.fromArray(S, w, 2 * columns + j), s);
            s = x3.fma(FloatVector.fromArray(S, w, 3 * columns + j), s);
            s.intoArray(y, at + j);
        }
    }

    private static void add(int columns, float[] w, float x, float[] y, int at) {
        FloatVector v = FloatVector.broadcast(S, x);
        for (int j = 0; j < columns; j += L) {
            FloatVector s = FloatVector.fromArray(S, y, at + j);
            v.fma(FloatVector.fromArray(S, w, j), s).intoArray(y, at + j);
        }
    }
}
