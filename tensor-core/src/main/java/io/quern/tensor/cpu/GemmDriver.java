package io.quern.tensor.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Cuts a product into the tiles of a {@link GemmKernel}.
 *
 * <p>A is taken in boxes of some rows by one stretch of k. For each box, tasks pack its panels, shared by all threads; then other tasks each pack some panels of B for themselves and
 * multiply all rows of the box with them. The packed columns stay in the second-level cache meanwhile, and the panels of
 * A stream by; packed data hardly goes out to memory, which costs most on large machines: packing all of A and B first
 * was 10 to 20 % slower. B is packed anew for each box of rows; with some 500 of them that is little.
 *
 * <p>All tasks form one queue, in an order in which each needs only earlier ones, and wait for these where they are not
 * done: threads never gather at a barrier, and one that is held up delays the others only when they run into its
 * result. The first half of a box's products comes before the packing of the next box, the second half after it.
 *
 * <p>Sums run over k in rising order, in stretches that depend on k alone: an element of C has the same bits whatever
 * the number of threads, and whatever the number of rows and columns around it.
 */
final class GemmDriver {
    private static final int KC = GemmKernel.KC;

    /** Most rows of a box, and what they may come down to so that each thread has a box. */
    private static final int BOX = 512;

    private static final int LEAST_ROWS = 64;

    /**
     * Most columns of B that a task multiplies: a packed stretch of them is to fill most of the second-level cache while
     * all rows of the box pass by, each the sooner from the third-level cache the more columns there are. Later tasks
     * take fewer, so that threads end at about the same time.
     */
    private static final int MOST_COLUMNS = mostColumns();

    private static final int LEAST_COLUMNS = 64;

    /** Up to so many rows, packed rows of A stay in the second-level cache too, and narrower tasks do no harm. */
    private static final int LOW = 256;

    private static final int LOW_COLUMNS = 256;

    /** Rows of A that a task packs, about, where rows are contiguous, and stretch of k where columns are. */
    private static final int PACK = 56;

    private static final int PACK_DEEP = 48;

    /** Below this number of multiplications, waking other threads costs more than they save. */
    private static final long SERIAL = 1 << 18;

    /**
     * Where panels of B begin in their array. Collectors that put large arrays at the start of a page or region, as G1
     * does, thus place them at multiples of 64 bytes, behind the array's header of 16: 3 to 10 % faster. Hence also
     * {@link #LARGE}, the least size of these arrays.
     */
    private static final int ALIGN = 12;

    private static final int LARGE = 1 << 19;

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
        } else {
            new Job(g).run();
        }
    }

    /** The size of parts if {@code size} is cut into equal ones, multiples of {@code unit}, of at most {@code most}. */
    private static int even(int size, int most, int unit) {
        int parts = (size + most - 1) / most;
        return GemmPack.up((size + parts - 1) / parts, unit);
    }

    private static int parts(int size, int part) {
        return (size + part - 1) / part;
    }

    /** 384 for a cache of 2 MiB. Where Linux does not tell its size, 1 MiB is assumed. */
    private static int mostColumns() {
        long cache = 1 << 20;
        try {
            String text = Files.readString(Path.of("/sys/devices/system/cpu/cpu0/cache/index2/size"))
                    .strip();
            cache = text.endsWith("K") ? 1024L * Integer.parseInt(text.substring(0, text.length() - 1)) : cache;
        } catch (IOException | RuntimeException e) {
            // another system, or a container that hides it
        }
        long columns = cache * 6 / 10 / (KC * Float.BYTES) / LEAST_COLUMNS * LEAST_COLUMNS;
        return (int) Math.max(LEAST_COLUMNS, Math.min(512, columns));
    }

    /** Cuts columns into parts that get smaller: a thread's share in what is left or half of that, but no more than most. */
    private int[] cuts(int n, int most, int ahead, int threads) {
        int least = Math.min(LEAST_COLUMNS, Math.max(width, n / threads / width * width));
        int[] cuts = new int[2 + n / least];
        int count = 0;
        for (int j = 0; j < n; ) {
            int share = n - j <= least ? n - j : (n - j) / (ahead * threads) / width * width;
            j = Math.min(n, j + Math.max(least, Math.min(most, share)));
            cuts[++count] = j;
        }
        return Arrays.copyOf(cuts, count + 1);
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

    /** One product. */
    private final class Job {
        final GemmCall g;
        final int kc;
        final int stretches;
        final int aPanel; // floats of a panel
        final int bPanel;
        final int high; // rows of a box
        final int boxes; // the stretches of the highest rows first
        final int[] cuts; // borders between the columns of tasks
        final int groups; // tasks of a box
        final int packRows; // rows and stretch of k of a packing task
        final int packDeep;
        final int packs; // packing tasks of a box
        final float[][] a; // packed boxes in turn: the current one, the next, and more if threads are to share in them
        final AtomicIntegerArray packed; // for each box, packing tasks done
        final AtomicIntegerArray multiplied; // for each box, products done
        final AtomicIntegerArray reached; // for each box and group, 1 when multiplied
        volatile boolean failed;

        Job(GemmCall g) {
            this.g = g;
            kc = even(g.k(), KC, 16);
            stretches = parts(g.k(), kc);
            aPanel = pack.aPanel(kc);
            bPanel = pack.bPanel(kc);
            // The number of threads moves borders between rows and between columns, which changes no result.
            int threads = Workers.threads();
            boolean low = g.m() <= LOW;
            cuts = cuts(g.n(), low ? Math.min(LOW_COLUMNS, MOST_COLUMNS) : MOST_COLUMNS, low ? 2 : 1, threads);
            groups = cuts.length - 1;
            int box = BOX;
            while (box > LEAST_ROWS && parts(g.m(), box) * groups < threads) {
                box /= 2;
            }
            high = even(g.m(), box, rows);
            boxes = Math.multiplyExact(parts(g.m(), high), stretches);
            // Parts of A follow its memory, whichever way that runs.
            boolean along = g.aRow() == 1 && g.aCol() != 1;
            packRows = along ? high : Math.max(1, PACK / rows) * rows;
            packDeep = along ? PACK_DEEP : kc;
            packs = parts(high, packRows) * parts(kc, packDeep);
            a = new float[Math.min(boxes, 2 + (threads - 1) / groups)][];
            packed = new AtomicIntegerArray(boxes);
            multiplied = new AtomicIntegerArray(boxes);
            reached = new AtomicIntegerArray(Math.multiplyExact(boxes, groups));
        }

        void run() {
            for (int i = 0; i < a.length; i++) {
                a[i] = GemmScratch.take(high / rows * aPanel);
            }
            int tasks = Math.multiplyExact(boxes, packs + groups);
            if (g.products() >= SERIAL) {
                Workers.parallelFor(tasks, this::task);
            } else {
                for (int t = 0; t < tasks; t++) {
                    task(t);
                }
            }
            for (float[] box : a) {
                GemmScratch.give(box);
            }
        }

        /** Packing of box 0, then for each box: half of its products, packing of the next box, the other half. */
        private void task(int t) {
            try {
                if (t < packs) {
                    pack(0, t);
                    return;
                }
                int box = (t - packs) / (packs + groups);
                int place = (t - packs) % (packs + groups);
                int half = box == boxes - 1 ? groups : groups / 2;
                if (place < half) {
                    multiply(box, place);
                } else if (place < half + packs) {
                    pack(box + 1, place - half);
                } else {
                    multiply(box, place - packs);
                }
            } catch (Throwable e) {
                failed = true;
                throw e;
            }
        }

        private void await(AtomicIntegerArray counts, int index, int count) {
            for (int spins = 0; counts.get(index) < count; spins++) {
                if (failed) {
                    throw new IllegalStateException("another task of this matrix product failed");
                }
                if (spins < 1000) {
                    Thread.onSpinWait();
                } else {
                    Thread.yield();
                }
            }
        }

        private void pack(int box, int part) {
            if (box >= a.length) {
                await(multiplied, box - a.length, groups); // the last use of this part of a
            }
            int k0 = box % stretches * kc;
            int i0 = box / stretches * high;
            int across = parts(kc, packDeep);
            int i = part / across * packRows;
            int from = part % across * packDeep;
            int count = Math.min(packRows, Math.min(high, g.m() - i0) - i);
            int to = Math.min(Math.min(kc, g.k() - k0), from + packDeep);
            if (count > 0 && from < to) {
                pack.a(g, i0 + i, count, k0, from, to, a[box % a.length], i / rows * aPanel, aPanel);
            }
            packed.incrementAndGet(box);
        }

        private void multiply(int box, int group) {
            int k0 = box % stretches * kc;
            int length = Math.min(kc, g.k() - k0);
            int i0 = box / stretches * high;
            int m = Math.min(high, g.m() - i0);
            int j0 = cuts[group];
            int columns = cuts[group + 1] - j0;
            int size = ALIGN + parts(columns, width) * bPanel;
            float[] b = GemmScratch.take(g.products() < SERIAL ? size : Math.max(LARGE, size));
            float[] tile = GemmScratch.take(rows * width);
            pack.b(g, j0, columns, k0, 0, length, b, ALIGN, bPanel);
            await(packed, box, packs);
            if (k0 > 0) {
                await(reached, (box - 1) * groups + group, 1);
            }
            for (int i = 0; i < m; i += rows) {
                int some = Math.min(rows, m - i);
                int at = i / rows * aPanel;
                for (int j = 0; j < columns; j += width) {
                    kernel.tile(some, length, a[box % a.length], at, b, ALIGN + j / width * bPanel, tile);
                    store(g, tile, some, Math.min(width, columns - j), i0 + i, j0 + j, k0 == 0);
                }
            }
            GemmScratch.give(tile);
            GemmScratch.give(b);
            reached.set(box * groups + group, 1);
            multiplied.incrementAndGet(box);
        }
    }
}
