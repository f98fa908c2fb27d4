package io.quern.tensor.cpu;

import java.util.function.IntConsumer;

/**
 * Products with few rows of A, as in decoding: y[m, n] = x[m, k] W for 1 to {@link #ROWS} rows. Bound by reading W,
 * which happens once for all rows, without packing. Work is cut by the shape of W alone, so the bits depend neither on
 * the number of threads nor on the number of rows.
 */
final class Gemv {
    /** Most rows that are faster here than in {@link GemmDriver}. */
    static final int ROWS = 8;

    /** Elements of W that are worth a task. */
    static final int TASK = 1 << 17;

    private Gemv() {}

    /** Whether this class serves the product. */
    static boolean serves(GemmCall g) {
        return g.m() <= ROWS && g.m() > 0 && g.n() > 0 && g.k() > 0 && (g.bRow() == 1 || g.bCol() == 1);
    }

    static void run(GemmCall g) {
        if (GemvMachine.serves(g)) {
            GemvMachine.run(g);
        } else {
            vectors(g);
        }
    }

    /** By the Vector API. */
    static void vectors(GemmCall g) {
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
            if (g.bRow() == 1 && (g.bCol() != 1 || g.n() == 1)) {
                rows(g, x);
            } else {
                GemvColumns.run(g, x);
            }
        } finally {
            GemmScratch.give(x);
        }
    }

    private static void rows(GemmCall g, float[] x) {
        int wide = Math.max(GemvRows.TOGETHER, GemmPack.up(TASK / g.k(), GemvRows.TOGETHER));
        each(g, (g.n() + wide - 1) / wide, t -> {
            int j = t * wide;
            int columns = Math.min(wide, g.n() - j);
            float[] y = GemmScratch.take(g.m() * columns);
            GemvRows.multiply(g, x, j, columns, y);
            store(g, y, columns, j);
            GemmScratch.give(y);
        });
    }

    /** Puts {@code y[m, columns]} or adds it to columns {@code j ...} of C, with the bias. */
    static void store(GemmCall g, float[] y, int columns, int j) {
        long bias = g.bias() == 0 ? 0 : g.bias() + 4L * j;
        if (g.accumulate()) {
            GemmStore.add(y, columns, g.m(), columns, g.cAt(0, j), g.ldc(), bias);
        } else {
            GemmStore.set(y, columns, g.m(), columns, g.cAt(0, j), g.ldc(), bias);
        }
    }

    static void each(GemmCall g, int tasks, IntConsumer body) {
        if (g.products() > TASK / 2) {
            Workers.parallelFor(tasks, body);
        } else {
            for (int t = 0; t < tasks; t++) {
                body.accept(t);
            }
        }
    }
}
