package io.quern.tensor.cpu;

import java.util.function.IntConsumer;

/**
 * Products with few rows of A, as in decoding: y[m, n] = x[m, k] W for 1 to {@link #ROWS} rows. Bound by reading W,
 * which happens once for all rows, without packing. Threads share out the columns of the result; no sum is split, so
 * the bits depend neither on the number of threads nor on the number of rows.
 */
final class Gemv {
    /** Most rows that are faster here than in {@link GemmDriver}. */
    static final int ROWS = 8;

    /** Elements of W that are worth a task. */
    private static final int TASK = 1 << 17;

    /** Widest block of columns of W[k, n]; the sums for it stay in the first-level cache. */
    private static final int WIDE = 1024;

    private Gemv() {}

    /** Whether this class serves the product. */
    static boolean serves(GemmCall g) {
        return g.m() <= ROWS && g.m() > 0 && g.n() > 0 && g.k() > 0 && (g.bRow() == 1 || g.bCol() == 1);
    }

    static void run(GemmCall g) {
        float[] x = GemmScratch.take(Math.multiplyExact(g.m(), g.k()));
        try {
            for (int i = 0; i < g.m(); i++) {
                if (g.aCol() == 1) {
                    OffHeap.read(g.aAt(i, 0), x, i * g.k(), g.k());
                } else {
                    for (int p = 0; p < g.k(); p++) {
                        x[i * g.k() + p] = OffHeap.getFloat(g.aAt(i, p));
                    }
                }
            }
            boolean byRows = g.bRow() == 1 && (g.bCol() != 1 || g.n() == 1);
            int wide = byRows
                    ? Math.max(GemvRows.TOGETHER, GemmPack.up(TASK / g.k(), GemvRows.TOGETHER))
                    : Math.min(WIDE, GemmPack.up((g.n() + 7) / 8, 64));
            each(g, (g.n() + wide - 1) / wide, t -> {
                int j = t * wide;
                int columns = Math.min(wide, g.n() - j);
                float[] y = GemmScratch.take(g.m() * columns);
                if (byRows) {
                    GemvRows.multiply(g, x, j, columns, y);
                } else {
                    GemvColumns.multiply(g, x, j, columns, y);
                }
                long bias = g.bias() == 0 ? 0 : g.bias() + 4L * j;
                if (g.accumulate()) {
                    GemmStore.add(y, columns, g.m(), columns, g.cAt(0, j), g.ldc(), bias);
                } else {
                    GemmStore.set(y, columns, g.m(), columns, g.cAt(0, j), g.ldc(), bias);
                }
                GemmScratch.give(y);
            });
        } finally {
            GemmScratch.give(x);
        }
    }

    private static void each(GemmCall g, int tasks, IntConsumer body) {
        if (g.products() > TASK / 2) {
            Workers.parallelFor(tasks, body);
        } else {
            for (int t = 0; t < tasks; t++) {
                body.accept(t);
            }
        }
    }
}
