package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * y = x W for a W with contiguous rows, as GPT-2 holds it ([k, n]): each row of W, times an element of x, is added to
 * y. Rows are taken in stretches, each with its own sums, so that a task reads long runs of memory; the sums of the
 * stretches are then added in rising order. Within a stretch four rows at a time, which divides the traffic of y by
 * four and gives the memory four streams; each element of y sums over k in rising order.
 */
final class GemvColumns {
    /** Rows of W in a stretch. */
    private static final int DEEP = 128;

    /** Widest block of columns: four rows of W and the sums stay in the second-level cache. */
    private static final int WIDE = 2048;

    /** Tasks that there should be at least. */
    private static final int TASKS = 8;

    private static final VectorSpecies<Float> S = GemmLoad.F;
    private static final int L = S.length();

    private GemvColumns() {}

    static void run(GemmCall g, float[] x) {
        int m = g.m();
        int n = g.n();
        int stretches = (g.k() + DEEP - 1) / DEEP;
        int blocks = Math.max((n + WIDE - 1) / WIDE, TASKS / stretches);
        int wide = GemmPack.up((n + blocks - 1) / blocks, 64);
        int across = (n + wide - 1) / wide;
        int size = Math.multiplyExact(m, n);
        float[] sums = GemmScratch.take(Math.multiplyExact(stretches, size));
        Gemv.each(g, stretches * across, t -> {
            int p = t / across * DEEP;
            int j = t % across * wide;
            stretch(g, x, p, Math.min(g.k(), p + DEEP), j, Math.min(wide, n - j), sums, t / across * size + j);
        });
        for (int s = 1; s < stretches; s++) {
            add(size, sums, s * size, sums);
        }
        Gemv.store(g, sums, n, 0);
        GemmScratch.give(sums);
    }

    /** Sums over k {@code from} to {@code to - 1} of columns {@code j0 to j0 + columns - 1}, to rows of y n apart. */
    private static void stretch(GemmCall g, float[] x, int from, int to, int j0, int columns, float[] y, int at) {
        int n = g.n();
        for (int i = 0; i < g.m(); i++) {
            Arrays.fill(y, at + i * n, at + i * n + columns, 0);
        }
        int even = columns - columns % L;
        if (even > 0) {
            if (g.type() == DType.F16) {
                staged(g, x, from, to, j0, even, y, at);
            } else {
                inPlace(g, x, from, to, j0, even, y, at);
            }
        }
        for (int i = 0; even < columns && i < g.m(); i++) {
            for (int j = even; j < columns; j++) {
                float sum = 0;
                for (int p = from; p < to; p++) {
                    sum = Math.fma(x[i * g.k() + p], GemmReference.element(g.type(), g.bAt(p, j0 + j)), sum);
                }
                y[at + i * n + j] = sum;
            }
        }
    }

    private static void inPlace(GemmCall g, float[] x, int from, int to, int j0, int columns, float[] y, int at) {
        int k = g.k();
        int n = g.n();
        boolean half = g.type() == DType.BF16;
        long step = g.bRow() * g.type().bytes();
        int p = from;
        for (; p <= to - 4; p += 4) {
            long w = g.bAt(p, j0);
            int i = 0;
            for (; i <= g.m() - 4; i += 4) {
                if (half) {
                    fourBf16(columns, w, step, x, i * k + p, k, y, at + i * n, n);
                } else {
                    fourF32(columns, w, step, x, i * k + p, k, y, at + i * n, n);
                }
            }
            for (; i < g.m(); i++) {
                if (half) {
                    addBf16(columns, w, step, x, i * k + p, y, at + i * n);
                } else {
                    addF32(columns, w, step, x, i * k + p, y, at + i * n);
                }
            }
        }
        if (p < to) {
            staged(g, x, p, to, j0, columns, y, at);
        }
    }

    private static void addF32(int columns, long w, long step, float[] x, int p, float[] y, int at) {
        FloatVector x0 = FloatVector.broadcast(S, x[p]);
        FloatVector x1 = FloatVector.broadcast(S, x[p + 1]);
        FloatVector x2 = FloatVector.broadcast(S, x[p + 2]);
        FloatVector x3 = FloatVector.broadcast(S, x[p + 3]);
        for (int j = 0; j < columns; j += L) {
            long from = w + 4L * j;
            FloatVector s = FloatVector.fromArray(S, y, at + j);
            s = x0.fma(Lanes.load(from), s);
            s = x1.fma(Lanes.load(from + step), s);
            s = x2.fma(Lanes.load(from + 2 * step), s);
            s = x3.fma(Lanes.load(from + 3 * step), s);
            s.intoArray(y, at + j);
        }
    }

    private static void addBf16(int columns, long w, long step, float[] x, int p, float[] y, int at) {
        FloatVector x0 = FloatVector.broadcast(S, x[p]);
        FloatVector x1 = FloatVector.broadcast(S, x[p + 1]);
        FloatVector x2 = FloatVector.broadcast(S, x[p + 2]);
        FloatVector x3 = FloatVector.broadcast(S, x[p + 3]);
        for (int j = 0; j < columns; j += L) {
            long from = w + 2L * j;
            FloatVector s = FloatVector.fromArray(S, y, at + j);
            s = x0.fma(GemmLoad.bf16(from), s);
            s = x1.fma(GemmLoad.bf16(from + step), s);
            s = x2.fma(GemmLoad.bf16(from + 2 * step), s);
            s = x3.fma(GemmLoad.bf16(from + 3 * step), s);
            s.intoArray(y, at + j);
        }
    }

    /** Four rows of W times four rows of x, {@code k} apart, added to rows of y {@code n} apart. */
    private static void fourF32(int columns, long w, long step, float[] x, int p, int k, float[] y, int at, int n) {
        FloatVector x00 = FloatVector.broadcast(S, x[p]);
        FloatVector x01 = FloatVector.broadcast(S, x[p + 1]);
        FloatVector x02 = FloatVector.broadcast(S, x[p + 2]);
        FloatVector x03 = FloatVector.broadcast(S, x[p + 3]);
        FloatVector x10 = FloatVector.broadcast(S, x[p + k]);
        FloatVector x11 = FloatVector.broadcast(S, x[p + k + 1]);
        FloatVector x12 = FloatVector.broadcast(S, x[p + k + 2]);
        FloatVector x13 = FloatVector.broadcast(S, x[p + k + 3]);
        FloatVector x20 = FloatVector.broadcast(S, x[p + 2 * k]);
        FloatVector x21 = FloatVector.broadcast(S, x[p + 2 * k + 1]);
        FloatVector x22 = FloatVector.broadcast(S, x[p + 2 * k + 2]);
        FloatVector x23 = FloatVector.broadcast(S, x[p + 2 * k + 3]);
        FloatVector x30 = FloatVector.broadcast(S, x[p + 3 * k]);
        FloatVector x31 = FloatVector.broadcast(S, x[p + 3 * k + 1]);
        FloatVector x32 = FloatVector.broadcast(S, x[p + 3 * k + 2]);
        FloatVector x33 = FloatVector.broadcast(S, x[p + 3 * k + 3]);
        for (int j = 0; j < columns; j += L) {
            long from = w + 4L * j;
            FloatVector w0 = Lanes.load(from);
            FloatVector w1 = Lanes.load(from + step);
            FloatVector w2 = Lanes.load(from + 2 * step);
            FloatVector w3 = Lanes.load(from + 3 * step);
            FloatVector s0 = FloatVector.fromArray(S, y, at + j);
            FloatVector s1 = FloatVector.fromArray(S, y, at + j + n);
            FloatVector s2 = FloatVector.fromArray(S, y, at + j + 2 * n);
            FloatVector s3 = FloatVector.fromArray(S, y, at + j + 3 * n);
            s0 = x00.fma(w0, s0);
            s1 = x10.fma(w0, s1);
            s2 = x20.fma(w0, s2);
            s3 = x30.fma(w0, s3);
            s0 = x01.fma(w1, s0);
            s1 = x11.fma(w1, s1);
            s2 = x21.fma(w1, s2);
            s3 = x31.fma(w1, s3);
            s0 = x02.fma(w2, s0);
            s1 = x12.fma(w2, s1);
            s2 = x22.fma(w2, s2);
            s3 = x32.fma(w2, s3);
            s0 = x03.fma(w3, s0);
            s1 = x13.fma(w3, s1);
            s2 = x23.fma(w3, s2);
            s3 = x33.fma(w3, s3);
            s0.intoArray(y, at + j);
            s1.intoArray(y, at + j + n);
            s2.intoArray(y, at + j + 2 * n);
            s3.intoArray(y, at + j + 3 * n);
        }
    }

    /** Four rows of W times four rows of x, {@code k} apart, added to rows of y {@code n} apart. */
    private static void fourBf16(int columns, long w, long step, float[] x, int p, int k, float[] y, int at, int n) {
        FloatVector x00 = FloatVector.broadcast(S, x[p]);
        FloatVector x01 = FloatVector.broadcast(S, x[p + 1]);
        FloatVector x02 = FloatVector.broadcast(S, x[p + 2]);
        FloatVector x03 = FloatVector.broadcast(S, x[p + 3]);
        FloatVector x10 = FloatVector.broadcast(S, x[p + k]);
        FloatVector x11 = FloatVector.broadcast(S, x[p + k + 1]);
        FloatVector x12 = FloatVector.broadcast(S, x[p + k + 2]);
        FloatVector x13 = FloatVector.broadcast(S, x[p + k + 3]);
        FloatVector x20 = FloatVector.broadcast(S, x[p + 2 * k]);
        FloatVector x21 = FloatVector.broadcast(S, x[p + 2 * k + 1]);
        FloatVector x22 = FloatVector.broadcast(S, x[p + 2 * k + 2]);
        FloatVector x23 = FloatVector.broadcast(S, x[p + 2 * k + 3]);
        FloatVector x30 = FloatVector.broadcast(S, x[p + 3 * k]);
        FloatVector x31 = FloatVector.broadcast(S, x[p + 3 * k + 1]);
        FloatVector x32 = FloatVector.broadcast(S, x[p + 3 * k + 2]);
        FloatVector x33 = FloatVector.broadcast(S, x[p + 3 * k + 3]);
        for (int j = 0; j < columns; j += L) {
            long from = w + 2L * j;
            FloatVector w0 = GemmLoad.bf16(from);
            FloatVector w1 = GemmLoad.bf16(from + step);
            FloatVector w2 = GemmLoad.bf16(from + 2 * step);
            FloatVector w3 = GemmLoad.bf16(from + 3 * step);
            FloatVector s0 = FloatVector.fromArray(S, y, at + j);
            FloatVector s1 = FloatVector.fromArray(S, y, at + j + n);
            FloatVector s2 = FloatVector.fromArray(S, y, at + j + 2 * n);
            FloatVector s3 = FloatVector.fromArray(S, y, at + j + 3 * n);
            s0 = x00.fma(w0, s0);
            s1 = x10.fma(w0, s1);
            s2 = x20.fma(w0, s2);
            s3 = x30.fma(w0, s3);
            s0 = x01.fma(w1, s0);
            s1 = x11.fma(w1, s1);
            s2 = x21.fma(w1, s2);
            s3 = x31.fma(w1, s3);
            s0 = x02.fma(w2, s0);
            s1 = x12.fma(w2, s1);
            s2 = x22.fma(w2, s2);
            s3 = x32.fma(w2, s3);
            s0 = x03.fma(w3, s0);
            s1 = x13.fma(w3, s1);
            s2 = x23.fma(w3, s2);
            s3 = x33.fma(w3, s3);
            s0.intoArray(y, at + j);
            s1.intoArray(y, at + j + n);
            s2.intoArray(y, at + j + 2 * n);
            s3.intoArray(y, at + j + 3 * n);
        }
    }

    /** Widens rows of W, four at a time if they are f16, and takes them times all rows of x. */
    private static void staged(GemmCall g, float[] x, int from, int to, int j0, int columns, float[] y, int at) {
        int k = g.k();
        int n = g.n();
        float[] w = GemmScratch.take(4 * columns);
        Dequantizer wide = Dequantizer.take();
        int p = from;
        for (; p <= to - 4; p += 4) {
            wide.rows(DType.F16, g.bAt(p, j0), g.bRow() * Short.BYTES, 4, 0, columns, w, 0, columns);
            for (int i = 0; i < g.m(); i++) {
                add4(columns, w, x, i * k + p, y, at + i * n);
            }
        }
        for (; p < to; p++) {
            GemmLoad.row(g.type(), g.bAt(p, j0), columns, w, 0);
            for (int i = 0; i < g.m(); i++) {
                add(columns, w, x[i * k + p], y, at + i * n);
            }
        }
        Dequantizer.give(wide);
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

    /** Adds {@code count} numbers from index {@code at} on to those from index 0 on. */
    private static void add(int count, float[] from, int at, float[] to) {
        for (int j = 0; j < count; j++) {
            to[j] += from[at + j];
        }
    }
}
