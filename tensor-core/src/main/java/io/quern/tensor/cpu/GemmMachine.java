package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.x86.GemmTileCode.COLUMNS;
import static io.quern.tensor.cpu.x86.GemmTileCode.ROWS;

import io.quern.tensor.cpu.x86.GemmPackCode.Element;
import io.quern.tensor.cpu.x86.GemmTileCode;
import io.quern.tensor.cpu.x86.GemmTileCode.Left;
import io.quern.tensor.cpu.x86.NativeCall;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Cuts a product into panels for the machine code of {@link GemmTileCode}; {@link GemmDriver} is the same in Java, and its
 * twin: the sums have the same bits.
 *
 * <p>A is taken in boxes of rows by one stretch of k, and B in panels of 32 columns. A thread packs a box for itself, which
 * stays in its second-level cache; then it packs one panel after the other and multiplies all rows of the box with it,
 * while the code fetches the next panel from memory. The box is packed tile by tile together with the first panel, so that
 * its memory too is fetched while there is something to multiply. Nothing is packed twice by one thread, and nothing
 * packed goes from one thread to another.
 *
 * <p>Tasks are a box's stretch times a few panels, in an order in which each needs only earlier ones: the sums of the
 * stretch before. Where there are few columns, A is read as it lies, without packing.
 */
final class GemmMachine {
    private static final int KC = GemmKernel.KC;

    /** Most rows of a box: at the longest stretch it takes three quarters of 2 MiB. */
    private static final int BOX = 36 * ROWS;

    private static final int LEAST_BOX = 4 * ROWS;

    /** Tasks for each thread that a box should give, and panels that it should multiply for having packed it. */
    private static final int TASKS = 8;

    private static final int WORTH = 6;

    /** Up to so many panels, packing A costs more than it saves. */
    private static final int NARROW = Integer.getInteger("g.narrow", 4);

    /** Up to so many tiles in a box, packing B does. */
    private static final int LOW = Integer.getInteger("g.low", 2);

    /** Bytes of B that a thread keeps packed where several boxes need it. */
    private static final long KEPT = 1 << 18;

    /** Below this number of multiplications, waking other threads costs more than they save. */
    private static final long SERIAL = 1 << 18;

    private static final int LINE = 64;

    private final GemmCall g;
    private final int kc;
    private final int stretches;
    private final Left left;
    private final boolean asItIs; // whether panels of B are read where they lie
    private final int high;
    private final int boxes;
    private final int panels;
    private final int perGroup; // panels of a task
    private final int groups;
    private final boolean kept; // whether all of B stays packed
    private final Element element;
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicIntegerArray reached; // for each box and group, stretches done; null if there is but one
    private volatile boolean failed;

    private GemmMachine(GemmCall g, int threads) {
        this.g = g;
        int parts = Math.ceilDiv(g.k(), KC);
        kc = GemmPack.up(Math.ceilDiv(g.k(), parts), 16);
        stretches = Math.ceilDiv(g.k(), kc);
        panels = Math.ceilDiv(g.n(), COLUMNS);
        perGroup = Math.max(1, Math.min(TASKS, panels / (TASKS * threads)));
        groups = Math.ceilDiv(panels, perGroup);
        int most = BOX;
        while (most / 2 >= LEAST_BOX && (long) Math.ceilDiv(g.m(), most) * panels < (long) WORTH * threads) {
            most /= 2;
        }
        high = GemmPack.up(Math.ceilDiv(g.m(), Math.ceilDiv(g.m(), most)), ROWS);
        boxes = Math.ceilDiv(g.m(), high);
        left = panels > NARROW ? Left.PACKED : g.aCol() == 1 ? Left.ROWS : g.aRow() == 1 ? Left.COLUMNS : Left.PACKED;
        element = GemmCode.element(g.type());
        asItIs = element == Element.F32 && !g.type().isQuantized() && g.bCol() == 1 && g.m() <= LOW * ROWS;
        kept = boxes > 1 && (long) panels * COLUMNS * Float.BYTES * kc * stretches <= KEPT;
        reached = stretches > 1 ? new AtomicIntegerArray(Math.multiplyExact(boxes, groups)) : null;
    }

    /** C (+)= A B (+ bias), for sizes that are not 0. */
    static void run(GemmCall g) {
        boolean alone = g.products() < SERIAL;
        int threads = alone ? 1 : Workers.threads();
        GemmMachine product = new GemmMachine(g, threads);
        if (threads == 1) {
            product.work();
        } else {
            Workers.parallelFor(threads, i -> product.work());
        }
    }

    /** Takes tasks until there are none. */
    private void work() {
        int tasks = Math.multiplyExact(Math.multiplyExact(boxes, stretches), groups);
        int t = next.getAndIncrement();
        if (t >= tasks) {
            return;
        }
        GemmHand hand = GemmHand.take();
        try {
            Part part = new Part(hand);
            for (; t < tasks; t = next.getAndIncrement()) {
                part.multiply(t / groups / stretches, t / groups % stretches, t % groups);
            }
        } catch (Throwable e) {
            failed = true;
            throw e;
        } finally {
            GemmHand.give(hand);
        }
    }

    private void await(int index, int count) {
        for (int spins = 0; reached.get(index) < count; spins++) {
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

    /** What one thread does. */
    private final class Part {
        private final GemmHand hand;
        private final boolean[] ready; // panels of B that are packed
        private final long b;
        private int packedBox = -1;

        // of the current task
        private long a;
        private int k0;
        private int length;
        private int i0;
        private int rows;

        Part(GemmHand hand) {
            this.hand = hand;
            ready = kept ? new boolean[stretches * panels] : null;
            b = asItIs && g.n() % 16 == 0 ? 0 : hand.right(panelBytes() * (kept ? stretches * panels : 1));
            hand.set(GemmTileCode.C_ROW, g.ldc() * Float.BYTES);
            hand.set(GemmTileCode.C_TILE, ROWS * g.ldc() * Float.BYTES);
            hand.set(GemmTileCode.LEFT, 1);
        }

        private long panelBytes() {
            return (long) kc * COLUMNS * Float.BYTES;
        }

        void multiply(int box, int stretch, int group) {
            if (stretch > 0) {
                await(box * groups + group, stretch);
            }
            k0 = stretch * kc;
            length = Math.min(kc, g.k() - k0);
            i0 = box * high;
            rows = Math.min(high, g.m() - i0);
            boolean packs = false;
            if (left == Left.PACKED) {
                a = hand.left((long) high * kc * Float.BYTES + LINE);
                packs = packedBox != box * stretches + stretch;
                packedBox = box * stretches + stretch;
                hand.set(GemmTileCode.A_TILE, (long) ROWS * length * Float.BYTES);
            } else {
                a = g.aAt(i0, k0);
                hand.set(GemmTileCode.A_TILE, ROWS * g.aRow() * Float.BYTES);
                hand.set(GemmTileCode.A_STEP, (left == Left.ROWS ? g.aRow() : g.aCol()) * Float.BYTES);
            }
            hand.set(GemmTileCode.K, length);
            hand.set(GemmTileCode.ADD, stretch > 0 || g.accumulate() ? 1 : 0);
            for (int p = group * perGroup; p < Math.min(panels, (group + 1) * perGroup); p++) {
                panel(stretch, p, packs);
                packs = false;
            }
            if (reached != null) {
                reached.set(box * groups + group, stretch + 1);
            }
        }

        private void panel(int stretch, int p, boolean packs) {
            int j = p * COLUMNS;
            int columns = Math.min(COLUMNS, g.n() - j);
            int vectors = columns > 16 ? 2 : 1;
            boolean packed = !asItIs || columns % 16 != 0;
            long from = packed ? packed(stretch, p, columns, vectors) : g.bAt(k0, j);
            hand.set(GemmTileCode.B_STEP, g.bRow() * Float.BYTES);
            hand.set(GemmTileCode.MASK, (1L << columns) - 1);
            hand.set(GemmTileCode.BIAS, stretch == 0 && g.bias() != 0 ? g.bias() + (long) Float.BYTES * j : 0);
            long c = g.cAt(i0, j);
            int tiles = rows / ROWS;
            int rest = rows % ROWS;
            long aTile = left == Left.PACKED ? (long) ROWS * length * Float.BYTES : ROWS * g.aRow() * Float.BYTES;
            long cTile = ROWS * g.ldc() * Float.BYTES;
            if (packs) {
                for (int i = 0; i < rows; i += ROWS) {
                    int some = Math.min(ROWS, rows - i);
                    packLeft(i, some);
                    if (i + ROWS < rows) {
                        aheadLeft(i + ROWS);
                    } else {
                        hand.set(GemmTileCode.STEPS, 0);
                    }
                    call(
                            GemmCode.tile(some, vectors, left, packed),
                            a + i / ROWS * aTile,
                            from,
                            c + i / ROWS * cTile,
                            1);
                }
                return;
            }
            aheadRight(stretch, p + 1);
            if (tiles > 0) {
                call(GemmCode.tile(ROWS, vectors, left, packed), a, from, c, tiles);
            }
            if (rest > 0) {
                call(GemmCode.tile(rest, vectors, left, packed), a + tiles * aTile, from, c + tiles * cTile, 1);
            }
        }

        private void call(MemorySegment code, long a, long b, long c, int tiles) {
            NativeCall.call(code, hand.arguments(), a, b, c, tiles, 0);
        }

        /** Fetches a tile of rows ahead, from row i of the box on. */
        private void aheadLeft(int i) {
            if (g.aCol() == 1) {
                ahead(g.aAt(i0 + i, k0), g.aRow() * Float.BYTES, ROWS / 2, length * Float.BYTES / LINE, 1);
            } else if (g.aRow() == 1) {
                hand.set(GemmTileCode.OTHER, (ROWS - 1) * Float.BYTES);
                ahead(g.aAt(i0 + i, k0), g.aCol() * Float.BYTES, length);
            } else {
                hand.set(GemmTileCode.STEPS, 0);
            }
        }

        /** Fetches a panel ahead during the multiplication of the one before. */
        private void aheadRight(int stretch, int p) {
            int tiles = Math.ceilDiv(rows, ROWS);
            int bytes = element.bytes;
            if (p >= panels || asItIs || g.type().isQuantized() || kept && ready[stretch * panels + p]) {
                hand.set(GemmTileCode.STEPS, 0);
            } else if (g.bCol() == 1) {
                hand.set(GemmTileCode.OTHER, (long) COLUMNS * bytes - Float.BYTES);
                ahead(g.bAt(k0, p * COLUMNS), g.bRow() * bytes, Math.ceilDiv(length, tiles));
            } else if (g.bRow() == 1) {
                ahead(g.bAt(k0, p * COLUMNS), g.bCol() * bytes, COLUMNS / 2, length * bytes / LINE, tiles);
            } else {
                hand.set(GemmTileCode.STEPS, 0);
            }
        }

        /** Lines {@code step} apart. */
        private void ahead(long address, long step, int steps) {
            hand.set(GemmTileCode.NEXT, address);
            hand.set(GemmTileCode.STEP, step);
            hand.set(GemmTileCode.WRAP, 0);
            hand.set(GemmTileCode.INNER, Integer.MAX_VALUE);
            hand.set(GemmTileCode.LEFT, Integer.MAX_VALUE);
            hand.set(GemmTileCode.STEPS, steps);
        }

        /** So many lines of memory of two times {@code half} rows, {@code step} apart, during some tiles. */
        private void ahead(long address, long step, int half, int lines, int tiles) {
            hand.set(GemmTileCode.NEXT, address);
            hand.set(GemmTileCode.STEP, step);
            hand.set(GemmTileCode.OTHER, half * step);
            hand.set(GemmTileCode.WRAP, LINE - half * step);
            hand.set(GemmTileCode.INNER, half);
            hand.set(GemmTileCode.LEFT, half);
            hand.set(GemmTileCode.STEPS, Math.ceilDiv(half * lines, tiles));
        }

        /** Packs a tile of A. */
        private void packLeft(int i, int some) {
            long to = a + (long) i * length * Float.BYTES;
            long from = g.aAt(i0 + i, k0);
            long pitch = (long) some * Float.BYTES;
            if (g.aCol() == 1) {
                NativeCall.call(
                        GemmCode.transposing(some, Element.F32),
                        from,
                        g.aRow() * Float.BYTES,
                        length,
                        to,
                        pitch,
                        tail());
            } else if (g.aRow() == 1) {
                NativeCall.call(
                        GemmCode.lines(1, Element.F32),
                        from,
                        g.aCol() * Float.BYTES,
                        length,
                        to,
                        pitch,
                        (1L << some) - 1);
            } else {
                for (int q = 0; q < length; q++) {
                    for (int r = 0; r < some; r++) {
                        OffHeap.setFloat(to + q * pitch + 4L * r, OffHeap.getFloat(g.aAt(i0 + i + r, k0 + q)));
                    }
                }
            }
        }

        /** Elements of a stretch beyond a multiple of 16, as a mask. */
        private long tail() {
            return (1L << length % 16) - 1;
        }

        /** Where a panel of B is packed. */
        private long packed(int stretch, int p, int columns, int vectors) {
            int place = kept ? stretch * panels + p : 0;
            long to = b + place * panelBytes();
            if (!kept || !ready[place]) {
                packRight(p * COLUMNS, columns, vectors, to);
                if (kept) {
                    ready[place] = true;
                }
            }
            return to;
        }

        private void packRight(int j, int columns, int vectors, long to) {
            long pitch = (long) vectors * 16 * Float.BYTES;
            long from = g.bAt(k0, j);
            if (g.type().isQuantized()) {
                for (int i = 0; i < columns; i += 16) {
                    quantized(j + i, Math.min(16, columns - i), to + 4L * i, pitch);
                }
            } else if (g.bCol() == 1) {
                NativeCall.call(
                        GemmCode.lines(vectors, element),
                        from,
                        g.bRow() * element.bytes,
                        length,
                        to,
                        pitch,
                        (1L << columns) - 1);
            } else if (g.bRow() == 1) {
                long step = g.bCol() * element.bytes;
                for (int i = 0; i < columns; i += 16) {
                    NativeCall.call(
                            GemmCode.transposing(Math.min(16, columns - i), element),
                            from + i * step,
                            step,
                            length,
                            to + 4L * i,
                            pitch,
                            tail());
                }
            } else {
                for (int q = 0; q < length; q++) {
                    for (int i = 0; i < columns; i++) {
                        OffHeap.setFloat(
                                to + q * pitch + 4L * i, GemmReference.element(g.type(), g.bAt(k0 + q, j + i)));
                    }
                }
            }
        }

        /** Widens up to 16 columns of a quantised B to lines, and transposes these. */
        private void quantized(int j, int columns, long to, long pitch) {
            int line = length + 16; // so that the lines spread over the cache
            float[] wide = GemmScratch.take(columns * line);
            Arrays.fill(wide, 0, columns * line, 0);
            Dequantizer dequantizer = Dequantizer.take();
            dequantizer.rows(g.type(), g.bAt(0, j), g.bStep(), columns, k0, length, wide, 0, line);
            Dequantizer.give(dequantizer);
            long stage = hand.stage(4L * 16 * line);
            OffHeap.write(wide, 0, stage, columns * line);
            GemmScratch.give(wide);
            NativeCall.call(GemmCode.transposing(columns, Element.F32), stage, 4L * line, length, to, pitch, tail());
        }
    }
}
