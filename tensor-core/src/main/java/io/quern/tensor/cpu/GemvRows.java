package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * y = x W for a W whose columns are contiguous, as linear layers hold it ([n, k] by rows): a dot product for each
 * element. The sum runs over k in the lanes of one vector; the lanes are added pairwise, then come the elements that
 * fill no vector. Four columns at a time, from the four quarters of the task: each is read on and on, which the
 * processor's prefetching follows, where four neighbouring columns would make it start anew after each. F32 and BF16 are
 * read in place; other types are widened first, four columns into the first-level cache.
 */
final class GemvRows {
    /** Dot products computed side by side. */
    static final int TOGETHER = 4;

    private static final VectorSpecies<Float> S = GemmLoad.F;
    private static final int L = S.length();

    private GemvRows() {}

    /** Columns {@code j0 to j0 + columns - 1} of the product, to {@code y[m, columns]}. */
    static void multiply(GemmCall g, float[] x, int j0, int columns, float[] y) {
        int quarter = columns / TOGETHER;
        long step = g.bStep();
        boolean direct = g.type() == DType.F32 || g.type() == DType.BF16;
        Dequantizer wide = direct ? null : Dequantizer.take();
        float[] stage = direct ? null : GemmScratch.take(TOGETHER * g.k());
        float[] sums = GemmScratch.take(8 * L);
        for (int j = 0; j < quarter; j++) {
            four(g, x, g.bAt(0, j0 + j), quarter * step, y, j, quarter, columns, wide, stage, sums);
        }
        for (int j = TOGETHER * quarter; j < columns; j++) {
            four(g, x, g.bAt(0, j0 + j), 0, y, j, 0, columns, wide, stage, sums);
        }
        if (g.k() % L != 0) {
            tails(g, x, j0, columns, y);
        }
        GemmScratch.give(sums);
        if (!direct) {
            GemmScratch.give(stage);
            Dequantizer.give(wide);
        }
    }

    /** The whole vectors of four columns, {@code step} bytes apart in W and {@code apart} elements in y. */
    private static void four(
            GemmCall g,
            float[] x,
            long w,
            long step,
            float[] y,
            int at,
            int apart,
            int columns,
            Dequantizer wide,
            float[] stage,
            float[] sums) {
        int k = g.k();
        if (g.m() == 1 && Dequantizer.fuses(g.type())) {
            wide.dots(g.type(), w, step, k / g.type().blockSize(), x, 0, sums);
            lanes(sums, 0, 4, y, at, apart);
            return;
        }
        if (wide != null) {
            wide.rows(g.type(), w, step, TOGETHER, 0, k, stage, 0, k);
        }
        int i = 0;
        for (; i <= g.m() - 4; i += 4) {
            for (int r = 0; r < TOGETHER; r += 2) {
                long w0 = w + r * step;
                switch (g.type()) {
                    case BF16 -> twoBf16(k, x, i * k, w0, w0 + step, sums);
                    case F32 -> twoF32(k, x, i * k, w0, w0 + step, sums);
                    default -> two(k, x, i * k, stage, r * k, sums);
                }
                int to = at + i * columns + r * apart;
                lanes(sums, 0, 4, y, to, columns);
                lanes(sums, 4 * L, 4, y, to + apart, columns);
            }
        }
        for (; i < g.m(); i++) {
            switch (g.type()) {
                case BF16 -> dotBf16(k, x, i * k, w, step, sums);
                case F32 -> dotF32(k, x, i * k, w, step, sums);
                default -> dot(k, x, i * k, stage, sums);
            }
            lanes(sums, 0, 4, y, at + i * columns, apart);
        }
    }

    /** Adds up the lanes of {@code count} vectors, to elements of y {@code apart}. */
    private static void lanes(float[] sums, int from, int count, float[] y, int to, int apart) {
        for (int r = 0; r < count; r++) {
            y[to + r * apart] = Lanes.sum(FloatVector.fromArray(S, sums, from + r * L));
        }
    }

    private static void dotF32(int k, float[] x, int at, long w, long step, float[] sums) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector v = FloatVector.fromArray(S, x, at + p);
            long from = w + 4L * p;
            s0 = v.fma(Lanes.load(from), s0);
            s1 = v.fma(Lanes.load(from + step), s1);
            s2 = v.fma(Lanes.load(from + 2 * step), s2);
            s3 = v.fma(Lanes.load(from + 3 * step), s3);
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, L);
        s2.intoArray(sums, 2 * L);
        s3.intoArray(sums, 3 * L);
    }

    private static void dotBf16(int k, float[] x, int at, long w, long step, float[] sums) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector v = FloatVector.fromArray(S, x, at + p);
            long from = w + 2L * p;
            s0 = v.fma(GemmLoad.bf16(from), s0);
            s1 = v.fma(GemmLoad.bf16(from + step), s1);
            s2 = v.fma(GemmLoad.bf16(from + 2 * step), s2);
            s3 = v.fma(GemmLoad.bf16(from + 3 * step), s3);
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, L);
        s2.intoArray(sums, 2 * L);
        s3.intoArray(sums, 3 * L);
    }

    private static void dot(int k, float[] x, int at, float[] w, float[] sums) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector v = FloatVector.fromArray(S, x, at + p);
            s0 = v.fma(FloatVector.fromArray(S, w, p), s0);
            s1 = v.fma(FloatVector.fromArray(S, w, k + p), s1);
            s2 = v.fma(FloatVector.fromArray(S, w, 2 * k + p), s2);
            s3 = v.fma(FloatVector.fromArray(S, w, 3 * k + p), s3);
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, L);
        s2.intoArray(sums, 2 * L);
        s3.intoArray(sums, 3 * L);
    }

    /** Two columns times four rows of x. */
    private static void twoF32(int k, float[] x, int at, long w0, long w1, float[] sums) {
        FloatVector s00 = FloatVector.zero(S);
        FloatVector s01 = FloatVector.zero(S);
        FloatVector s02 = FloatVector.zero(S);
        FloatVector s03 = FloatVector.zero(S);
        FloatVector s10 = FloatVector.zero(S);
        FloatVector s11 = FloatVector.zero(S);
        FloatVector s12 = FloatVector.zero(S);
        FloatVector s13 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector a = Lanes.load(w0 + 4L * p);
            FloatVector b = Lanes.load(w1 + 4L * p);
            FloatVector x0 = FloatVector.fromArray(S, x, at + p);
            FloatVector x1 = FloatVector.fromArray(S, x, at + k + p);
            FloatVector x2 = FloatVector.fromArray(S, x, at + 2 * k + p);
            FloatVector x3 = FloatVector.fromArray(S, x, at + 3 * k + p);
            s00 = x0.fma(a, s00);
            s01 = x1.fma(a, s01);
            s02 = x2.fma(a, s02);
            s03 = x3.fma(a, s03);
            s10 = x0.fma(b, s10);
            s11 = x1.fma(b, s11);
            s12 = x2.fma(b, s12);
            s13 = x3.fma(b, s13);
        }
        s00.intoArray(sums, 0);
        s01.intoArray(sums, L);
        s02.intoArray(sums, 2 * L);
        s03.intoArray(sums, 3 * L);
        s10.intoArray(sums, 4 * L);
        s11.intoArray(sums, 5 * L);
        s12.intoArray(sums, 6 * L);
        s13.intoArray(sums, 7 * L);
    }

    private static void twoBf16(int k, float[] x, int at, long w0, long w1, float[] sums) {
        FloatVector s00 = FloatVector.zero(S);
        FloatVector s01 = FloatVector.zero(S);
        FloatVector s02 = FloatVector.zero(S);
        FloatVector s03 = FloatVector.zero(S);
        FloatVector s10 = FloatVector.zero(S);
        FloatVector s11 = FloatVector.zero(S);
        FloatVector s12 = FloatVector.zero(S);
        FloatVector s13 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector a = GemmLoad.bf16(w0 + 2L * p);
            FloatVector b = GemmLoad.bf16(w1 + 2L * p);
            FloatVector x0 = FloatVector.fromArray(S, x, at + p);
            FloatVector x1 = FloatVector.fromArray(S, x, at + k + p);
            FloatVector x2 = FloatVector.fromArray(S, x, at + 2 * k + p);
            FloatVector x3 = FloatVector.fromArray(S, x, at + 3 * k + p);
            s00 = x0.fma(a, s00);
            s01 = x1.fma(a, s01);
            s02 = x2.fma(a, s02);
            s03 = x3.fma(a, s03);
            s10 = x0.fma(b, s10);
            s11 = x1.fma(b, s11);
            s12 = x2.fma(b, s12);
            s13 = x3.fma(b, s13);
        }
        s00.intoArray(sums, 0);
        s01.intoArray(sums, L);
        s02.intoArray(sums, 2 * L);
        s03.intoArray(sums, 3 * L);
        s10.intoArray(sums, 4 * L);
        s11.intoArray(sums, 5 * L);
        s12.intoArray(sums, 6 * L);
        s13.intoArray(sums, 7 * L);
    }

    private static void two(int k, float[] x, int at, float[] w, int wAt, float[] sums) {
        FloatVector s00 = FloatVector.zero(S);
        FloatVector s01 = FloatVector.zero(S);
        FloatVector s02 = FloatVector.zero(S);
        FloatVector s03 = FloatVector.zero(S);
        FloatVector s10 = FloatVector.zero(S);
        FloatVector s11 = FloatVector.zero(S);
        FloatVector s12 = FloatVector.zero(S);
        FloatVector s13 = FloatVector.zero(S);
        for (int p = 0; p <= k - L; p += L) {
            FloatVector a = FloatVector.fromArray(S, w, wAt + p);
            FloatVector b = FloatVector.fromArray(S, w, wAt + k + p);
            FloatVector x0 = FloatVector.fromArray(S, x, at + p);
            FloatVector x1 = FloatVector.fromArray(S, x, at + k + p);
            FloatVector x2 = FloatVector.fromArray(S, x, at + 2 * k + p);
            FloatVector x3 = FloatVector.fromArray(S, x, at + 3 * k + p);
            s00 = x0.fma(a, s00);
            s01 = x1.fma(a, s01);
            s02 = x2.fma(a, s02);
            s03 = x3.fma(a, s03);
            s10 = x0.fma(b, s10);
            s11 = x1.fma(b, s11);
            s12 = x2.fma(b, s12);
            s13 = x3.fma(b, s13);
        }
        s00.intoArray(sums, 0);
        s01.intoArray(sums, L);
        s02.intoArray(sums, 2 * L);
        s03.intoArray(sums, 3 * L);
        s10.intoArray(sums, 4 * L);
        s11.intoArray(sums, 5 * L);
        s12.intoArray(sums, 6 * L);
        s13.intoArray(sums, 7 * L);
    }

    /** Adds the elements that fill no vector. */
    private static void tails(GemmCall g, float[] x, int j0, int columns, float[] y) {
        for (int j = 0; j < columns; j++) {
            for (int i = 0; i < g.m(); i++) {
                float sum = y[i * columns + j];
                for (int p = g.k() - g.k() % L; p < g.k(); p++) {
                    sum = Math.fma(x[i * g.k() + p], GemmReference.element(g.type(), g.bAt(p, j0 + j)), sum);
                }
                y[i * columns + j] = sum;
            }
        }
    }
}
