package io.quern.tensor.cpu;

import java.util.function.IntConsumer;

/**
 * Cuts a product into the tiles of a {@link GemmKernel}.
 *
 * <p>The matrices are cut into boxes of some rows, columns and stretches of k, so large that weights of common size fit
 * in one. For each box, all threads first pack its parts of A and B, once, into shared arrays, and then take blocks of
 * C, each the product of a block of A's rows and a group of B's panels that fit a second-level cache together. So
 * threads wait for each other twice a box, and elements of C have one owner. Sums run over k in rising order, in
 * stretches that depend on k alone: an element of C has the same bits whatever the number of threads, and whatever the
 * number of rows and columns around it.
 */
final class GemmDriver {
    private static final int KC = GemmKernel.KC;

    /** Most rows of a box, and most rows times stretches of k: 8 MiB of A and some padding. */
    private static final int BOX_ROWS = 1024;

    private static final int BOX_A = 4096;

    /** Most columns of a box times stretches of k: 16 MiB of B. */
    private static final int BOX_B = 8192;

    /** Rows and columns of the block of C that a task computes, at most; 512 KiB each of packed A and B. */
    private static final int BLOCK = 256;

    /** Rows of A or columns of B that a task packs, about. */
    private static final int PACK = 96;

    /** Rows of B that a task packs where B's rows are contiguous; a multiple of 16. */
    private static final int PACK_DEEP = 32;

    /**
     * Where panels of B begin in their array. Collectors that put large arrays at the start of a page or region, as G1
     * does, thus place them at multiples of 64 bytes, behind the array's header of 16: 3 to 10 % faster.
     */
    private static final int ALIGN = 12;

    /** Below this number of multiplications, waking other threads costs more than they save. */
    private static final long SERIAL = 1 << 18;

    private final GemmKernel kernel;
    private final GemmPack pack;
    private final int rows;
    private final int width;

    GemmDriver(GemmKernel kernel) {
        this.kernel = kernel;
        this.pack = new GemmPack(kernel);
        this.rows = kernel.rows();
        this.width = kernel.columns();
    }

    void run(GemmCall g) {
        if (g.m() == 0 || g.n() == 0) {
            return;
        }
        if (g.k() == 0) {
            empty(g);
            return;
        }
        int stretches = (g.k() + KC - 1) / KC;
        int kc = GemmPack.up((g.k() + stretches - 1) / stretches, 16);
        int boxRows = even(g.m(), BOX_ROWS, rows);
        int deep = Math.min(stretches, Math.max(1, BOX_A / boxRows));
        int length = kc * deep;
        int boxColumns = even(g.n(), BOX_B / deep, width);
        for (int i = 0; i < g.m(); i += boxRows) {
            for (int k = 0; k < g.k(); k += length) {
                int p = Math.min(length, g.k() - k);
                new Box(g, i, Math.min(boxRows, g.m() - i), k, p, kc).run(boxColumns);
            }
        }
    }

    /** The size of parts if {@code size} is cut into equal ones, multiples of {@code unit}, of at most {@code most}. */
    private static int even(int size, int most, int unit) {
        int parts = (size + most - 1) / most;
        return GemmPack.up((size + parts - 1) / parts, unit);
    }

    /** The sum over no k at all. */
    private void empty(GemmCall g) {
        float[] zeros = new float[width];
        for (int i = 0; i < g.m(); i++) {
            for (int j = 0; j < g.n(); j += width) {
                store(g, zeros, 1, Math.min(width, g.n() - j), i, j, true);
            }
        }
    }

    private void store(GemmCall g, float[] tile, int rows, int columns, int i, int j, boolean first) {
        long bias = first && g.bias() != 0 ? g.bias() + 4L * j : 0;
        if (first && !g.accumulate()) {
            GemmStore.set(tile, width, rows, columns, g.cAt(i, j), g.ldc(), bias);
        } else {
            GemmStore.add(tile, width, rows, columns, g.cAt(i, j), g.ldc(), bias);
        }
    }

    /** Some rows from {@code i0} on and stretches of k from {@code k0} on, times all columns, box after box. */
    private final class Box {
        final GemmCall g;
        final int i0;
        final int m;
        final int k0;
        final int k;
        final int kc;
        final int stretches;
        final int panels; // of A, for each stretch
        float[] a;
        float[] b;
        int bPanels; // for each stretch

        Box(GemmCall g, int i0, int m, int k0, int k, int kc) {
            this.g = g;
            this.i0 = i0;
            this.m = m;
            this.k0 = k0;
            this.k = k;
            this.kc = kc;
            stretches = (k + kc - 1) / kc;
            panels = (m + rows - 1) / rows;
        }

        void run(int columns) {
            bPanels = (Math.min(columns, g.n()) + width - 1) / width;
            a = GemmScratch.take(stretches * panels * pack.aPanel());
            b = GemmScratch.take(ALIGN + stretches * bPanels * pack.bPanel());
            try {
                for (int j = 0; j < g.n(); j += columns) {
                    pack(j, Math.min(columns, g.n() - j), j == 0);
                    multiply(j, Math.min(columns, g.n() - j));
                }
            } finally {
                GemmScratch.give(a);
                GemmScratch.give(b);
            }
        }

        private int aAt(int stretch, int i) {
            return (stretch * panels + i / rows) * pack.aPanel();
        }

        private int bAt(int stretch, int j) {
            return ALIGN + (stretch * bPanels + j / width) * pack.bPanel();
        }

        private void pack(int j0, int n, boolean withA) {
            int high = Math.max(1, PACK / rows) * rows;
            int aParts = withA ? (m + high - 1) / high : 0;
            // Parts of B follow its rows in memory, whichever way these run.
            boolean along = g.bCol() == 1;
            int wide = along ? n : Math.max(1, PACK / width) * width;
            int deep = along ? Math.min(kc, PACK_DEEP) : kc;
            int across = (n + wide - 1) / wide;
            int bParts = across * ((kc + deep - 1) / deep);
            each(stretches * (aParts + bParts), t -> {
                int s = t / (aParts + bParts);
                int part = t % (aParts + bParts);
                int from = k0 + s * kc;
                int length = Math.min(kc, k - s * kc);
                if (part < bParts) {
                    int j = part % across * wide;
                    int p = part / across * deep;
                    pack.b(g, j0 + j, Math.min(wide, n - j), from, p, Math.min(p + deep, length), b, bAt(s, j));
                } else {
                    int i = (part - bParts) * high;
                    pack.a(g, i0 + i, Math.min(high, m - i), from, length, a, aAt(s, i));
                }
            });
        }

        private void multiply(int j0, int n) {
            int high = even(m, BLOCK, rows);
            int wide = even(n, BLOCK, width);
            int down = (m + high - 1) / high;
            int across = (n + wide - 1) / wide;
            each(down * across, t -> {
                int i = t % down * high;
                int j = t / down * wide;
                block(i, Math.min(m, i + high), j0, j, Math.min(n, j + wide));
            });
        }

        private void block(int i, int iEnd, int j0, int j, int jEnd) {
            float[] tile = GemmScratch.take(rows * width);
            for (int s = 0; s < stretches; s++) {
                int length = Math.min(kc, k - s * kc);
                boolean first = k0 + s == 0;
                for (int r = i; r < iEnd; r += rows) {
                    strip(r, Math.min(rows, iEnd - r), s, length, j0, j, jEnd, first, tile);
                }
            }
            GemmScratch.give(tile);
        }

        /** Tiles side by side: C's rows stay in reach of the address cache, and the panel of A in the nearest cache. */
        private void strip(int i, int high, int s, int kc, int j0, int j, int jEnd, boolean first, float[] tile) {
            int at = aAt(s, i);
            for (int p = j; p < jEnd; p += width) {
                kernel.tile(high, kc, a, at, b, bAt(s, p), tile);
                store(g, tile, high, Math.min(width, jEnd - p), i0 + i, j0 + p, first);
            }
        }

        private void each(int tasks, IntConsumer body) {
            if ((long) m * g.n() * k >= SERIAL) {
                Workers.parallelFor(tasks, body);
            } else {
                for (int t = 0; t < tasks; t++) {
                    body.accept(t);
                }
            }
        }
    }
}
