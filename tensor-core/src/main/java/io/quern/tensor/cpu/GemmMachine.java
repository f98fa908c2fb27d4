package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.x86.GemmTileCode.COLUMNS;
import static io.quern.tensor.cpu.x86.GemmTileCode.ROWS;

import io.quern.tensor.cpu.x86.GemmPackCode.Element;
import io.quern.tensor.cpu.x86.GemmTileCode;
import io.quern.tensor.cpu.x86.GemmTileCode.Left;
import io.quern.tensor.cpu.x86.NativeCall;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Cuts a product into panels for the machine code of {@link GemmTileCode}; {@link GemmDriver} is the same in Java, and its
 * twin: the sums have the same bits.
 *
 * <p>A thread takes a group of columns of B by one stretch of k, packs it into panels of 32 columns that stay in its
 * second-level cache, and multiplies one box of A's rows after the other with all of them. Boxes are small, so that the
 * one at hand stays there too: with larger ones the code waits for the third level. Packed boxes are kept for the next
 * groups; where reading A as it lies is as fast, it is not packed. While the code multiplies, it fetches from memory what
 * is packed next: the next panel of B during the first box, then the next box of A. Nothing packed goes from one thread
 * to another.
 *
 * <p>{@link GemmShare} says which thread takes which boxes.
 */
final class GemmMachine {
    private static final int KC = GemmKernel.KC;

    /** Bytes of a group of packed panels, and of a packed box: together well within a second-level cache of 2 MiB. */
    private static final int GROUP = 6 * KC * COLUMNS * Float.BYTES;

    private static final int BOX = 4 * KC * ROWS * Float.BYTES;

    /** Bytes of the packed boxes that a thread keeps for the next groups. */
    private static final int BLOCK = 1 << 22;

    /** Most tiles of a box. */
    private static final int TILES = 16;

    /** Boxes of groups for each thread, so that threads end at about the same time. */
    private static final int SHARES = 4;

    /** Up to so many panels for each thread, packing A costs more than it saves. */
    private static final int NARROW = 3;

    /** Rows of A up to so many bytes apart are as fast to read as packed ones: they lie on few pages. */
    private static final int NEAR = 384 * Float.BYTES;

    /** Columns of A up to so many bytes apart, likewise. */
    private static final int DENSE = 128 * Float.BYTES;

    /** Up to so many rows, or elements of B, which the first-level cache holds, packing B costs more than it saves. */
    private static final int LOW = ROWS;

    private static final int SMALL = 1 << 13;

    /** Panels that are packed together where rows of B are contiguous: each lies on other pages. */
    private static final int TOGETHER = 3;

    /** Below this number of multiplications, waking other threads costs more than they save. */
    private static final long SERIAL = 1 << 18;

    private static final int LINE = 64;

    private final GemmCall g;
    private final int kc;
    private final int high; // rows of a box
    private final int boxes;
    private final int perBlock; // boxes of a block
    private final int panels;
    private final int wide; // panels of a group
    private final int groups;
    private final Left left;
    private final boolean asItIs; // whether panels of B are read where they lie
    private final Element element;
    private final GemmShare share;

    private GemmMachine(GemmCall g, int threads) {
        this.g = g;
        int parts = Math.ceilDiv(g.k(), KC);
        kc = GemmPack.up(Math.ceilDiv(g.k(), parts), 16);
        int tiles = Math.ceilDiv(g.m(), ROWS);
        int tile = kc * ROWS * Float.BYTES;
        high = Math.ceilDiv(tiles, Math.ceilDiv(tiles, Math.clamp(BOX / tile, 1, TILES))) * ROWS;
        boxes = Math.ceilDiv(g.m(), high);
        perBlock = Math.ceilDiv(boxes, Math.ceilDiv(boxes, Math.max(1, BLOCK / (high / ROWS * tile))));
        panels = Math.ceilDiv(g.n(), COLUMNS);
        wide = groupSize(threads);
        groups = Math.ceilDiv(panels, wide);
        left = left(threads);
        element = GemmCode.element(g.type());
        asItIs = element == Element.F32
                && !g.type().isQuantized()
                && g.bCol() == 1
                && (g.m() <= LOW || (long) g.n() * g.k() <= SMALL);
        share = new GemmShare(Math.ceilDiv(g.k(), kc), boxes, perBlock, groups);
    }

    private int groupSize(int threads) {
        int parts = Math.ceilDiv(panels, Math.max(1, GROUP / (kc * COLUMNS * Float.BYTES)));
        if (threads > 1 && (long) parts * boxes < (long) SHARES * threads) {
            parts = Math.min(panels, Math.max(parts, threads));
        }
        if (parts % threads != 0 && panels / GemmPack.up(parts, threads) > NARROW) {
            parts = GemmPack.up(parts, threads); // nobody needs to pack another one's panels again
        }
        return Math.ceilDiv(panels, parts);
    }

    private Left left(int threads) {
        boolean narrow = panels <= (long) NARROW * Math.min(threads, groups);
        if (g.aCol() == 1) {
            return narrow || g.aRow() * Float.BYTES <= NEAR ? Left.ROWS : Left.PACKED;
        }
        if (g.aRow() == 1) {
            return narrow || g.aCol() * Float.BYTES <= DENSE ? Left.COLUMNS : Left.PACKED;
        }
        return Left.PACKED;
    }

    /** C (+)= A B (+ bias), for sizes that are not 0. */
    static void run(GemmCall g) {
        boolean alone = g.products() < SERIAL;
        int threads = alone ? 1 : Workers.threads();
        GemmMachine product = new GemmMachine(g, threads);
        product.share.run(threads, hand -> product.new Part(hand));
    }

    /** What one thread does. */
    private final class Part implements GemmShare.Part {
        private final GemmHand hand;
        private final boolean[] ready = new boolean[wide]; // panels of the group that are packed
        private final boolean[] readyBoxes = new boolean[perBlock]; // and boxes of the block
        private final long b;
        private int item = -1; // which they are of

        // of the current box
        private long a;
        private int k0;
        private int length;
        private int i0;
        private int rows;
        private int j0; // the first column of the group

        Part(GemmHand hand) {
            this.hand = hand;
            b = asItIs && g.n() % 16 == 0 ? 0 : hand.right(panelBytes() * wide);
            hand.set(GemmTileCode.C_ROW, g.ldc() * Float.BYTES);
            hand.set(GemmTileCode.C_TILE, ROWS * g.ldc() * Float.BYTES);
            hand.set(GemmTileCode.B_STEP, g.bRow() * Float.BYTES);
            hand.set(GemmTileCode.A_STEP, (left == Left.ROWS ? g.aRow() : g.aCol()) * Float.BYTES);
        }

        private long panelBytes() {
            return (long) kc * COLUMNS * Float.BYTES;
        }

        @Override
        public void multiply(int item, int first, int box) {
            int stretch = share.stretch(item);
            int group = share.group(item);
            if (this.item != item) {
                if (this.item < 0 || share.block(this.item) != share.block(item)) {
                    Arrays.fill(readyBoxes, false);
                }
                Arrays.fill(ready, false);
                this.item = item;
            }
            k0 = stretch * kc;
            length = Math.min(kc, g.k() - k0);
            i0 = (first + box) * high;
            rows = Math.min(high, g.m() - i0);
            j0 = group * wide * COLUMNS;
            long aTile = left == Left.PACKED ? (long) ROWS * length * Float.BYTES : ROWS * g.aRow() * Float.BYTES;
            if (left == Left.PACKED) {
                long boxBytes = high / ROWS * aTile + LINE;
                a = hand.left(perBlock * boxBytes) + box * boxBytes;
                if (!readyBoxes[box]) {
                    for (int i = 0; i < rows; i += ROWS) {
                        packLeft(i, Math.min(ROWS, rows - i));
                    }
                    readyBoxes[box] = true;
                }
            } else {
                a = g.aAt(i0, k0);
            }
            hand.set(GemmTileCode.A_TILE, aTile);
            hand.set(GemmTileCode.K, length);
            hand.set(GemmTileCode.C_PAIRS, cPairs());
            hand.set(GemmTileCode.PAIRS, 1);
            hand.set(GemmTileCode.ADD, stretch > 0 || g.accumulate() ? 1 : 0);
            int count = Math.min(wide, panels - group * wide);
            boolean next = false;
            for (int p = 0; p < count; p++) {
                long from = right(p);
                if (fetchesRight(p, count)) {
                    next = false;
                } else if (!next && box + 1 < share.boxesOf(item) && !(left == Left.PACKED && readyBoxes[box + 1])) {
                    next = true;
                    aheadLeft(count - p);
                } else if (!next) {
                    hand.set(GemmTileCode.STEPS, 0);
                }
                panel(stretch, j0 + p * COLUMNS, from, aTile);
            }
        }

        private boolean packed(int columns) {
            return !asItIs || columns % 16 != 0;
        }

        private int columns(int j) {
            return Math.min(COLUMNS, g.n() - j);
        }

        /** Where a panel of the group lies, after packing it if need be. */
        private long right(int p) {
            int j = j0 + p * COLUMNS;
            if (!packed(columns(j))) {
                return g.bAt(k0, j);
            }
            long to = b + p * panelBytes();
            if (!ready[p] && g.bCol() == 1 && !g.type().isQuantized() && !asItIs && columns(j) == COLUMNS) {
                int some = 1;
                while (some < TOGETHER && p + some < wide && columns(j + some * COLUMNS) == COLUMNS) {
                    some++;
                }
                long step = g.bRow() * element.bytes;
                NativeCall.call(GemmCode.panels(element), g.bAt(k0, j), step, length, to, panelBytes(), some);
                Arrays.fill(ready, p, p + some, true);
            } else if (!ready[p]) {
                packRight(j, columns(j), columns(j) > 16 ? 2 : 1, to);
                ready[p] = true;
            }
            return to;
        }

        /** Whether panels of the group are fetched ahead during the multiplication of panel p; begins with it. */
        private boolean fetchesRight(int p, int count) {
            boolean together = g.bCol() == 1;
            int now = together ? p % TOGETHER : 0; // of those that were packed together
            int then = p - now + (together ? TOGETHER : 1);
            boolean due = !asItIs && then < count && !ready[then];
            if (due && now == 0) {
                aheadRight(then, Math.min(TOGETHER, count - then));
            }
            return due;
        }

        private void panel(int stretch, int j, long from, long aTile) {
            int columns = columns(j);
            int vectors = columns > 16 ? 2 : 1;
            boolean packed = packed(columns);
            hand.set(GemmTileCode.MASK, (1L << columns) - 1);
            hand.set(GemmTileCode.BIAS, stretch == 0 && g.bias() != 0 ? g.bias() + (long) Float.BYTES * j : 0);
            long c = g.cAt(i0, j);
            int tiles = rows / ROWS;
            int rest = rows % ROWS;
            if (tiles > 0) {
                call(GemmCode.tile(ROWS, vectors, left, packed), a, from, c, tiles);
            }
            if (rest > 0) {
                c += tiles * ROWS * g.ldc() * Float.BYTES;
                call(GemmCode.tile(rest, vectors, left, packed), a + tiles * aTile, from, c, 1);
            }
        }

        private void call(MemorySegment code, long a, long b, long c, int tiles) {
            NativeCall.call(code, hand.arguments(), a, b, c, tiles, 0);
        }

        /** Fetches the next box ahead during the multiplication of some panels. */
        private void aheadLeft(int count) {
            int times = count * Math.ceilDiv(rows, ROWS);
            int i = i0 + high;
            int more = Math.min(high, g.m() - i);
            if (g.aCol() == 1) {
                int half = Math.ceilDiv(more, 2);
                aheadRows(g.aAt(i, k0), g.aRow() * Float.BYTES, half, (long) length * Float.BYTES, times);
            } else if (g.aRow() == 1) {
                int inner = Math.ceilDiv(more * Float.BYTES, 2 * LINE);
                hand.set(GemmTileCode.OTHER, LINE);
                ahead(
                        g.aAt(i, k0),
                        2 * LINE,
                        inner,
                        g.aCol() * Float.BYTES - (long) inner * 2 * LINE,
                        Math.ceilDiv(length * inner, times));
            } else {
                hand.set(GemmTileCode.STEPS, 0);
            }
        }

        /** Fetches panels of the group ahead, as many as are packed together, during the multiplication of those before. */
        private void aheadRight(int p, int some) {
            int tiles = Math.ceilDiv(rows, ROWS);
            int bytes = element.bytes;
            int j = j0 + p * COLUMNS;
            if (g.type().isQuantized()) {
                hand.set(GemmTileCode.STEPS, 0);
            } else if (g.bCol() == 1) {
                int inner = Math.ceilDiv(Math.min(some * COLUMNS, g.n() - j) * bytes, 2 * LINE);
                int steps = Math.ceilDiv(length * inner, TOGETHER * tiles);
                hand.set(GemmTileCode.OTHER, LINE);
                ahead(g.bAt(k0, j), 2 * LINE, inner, g.bRow() * bytes - (long) inner * 2 * LINE, steps);
            } else if (g.bRow() == 1) {
                aheadRows(g.bAt(k0, j), g.bCol() * bytes, COLUMNS / 2, (long) length * bytes, tiles);
            } else {
                hand.set(GemmTileCode.STEPS, 0);
            }
        }

        /** Takes so many steps for each tile; after every {@code inner} of them, goes on by {@code wrap} bytes besides. */
        private void ahead(long address, long step, int inner, long wrap, int steps) {
            hand.set(GemmTileCode.NEXT, address);
            hand.set(GemmTileCode.STEP, step);
            hand.set(GemmTileCode.WRAP, wrap);
            hand.set(GemmTileCode.INNER, inner);
            hand.set(GemmTileCode.LEFT, inner);
            hand.set(GemmTileCode.STEPS, steps);
            int pairs = length / 2 - ROWS * cPairs();
            hand.set(GemmTileCode.PAIRS, Math.max(1, pairs / Math.max(1, steps)));
        }

        private int cPairs() {
            return Math.max(1, length / (4 * ROWS)); // a half of all pairs
        }

        /** Two times {@code half} rows of so many bytes, {@code apart}, during some tiles. */
        private void aheadRows(long address, long apart, int half, long bytes, int tiles) {
            int lines = (int) Math.ceilDiv(bytes, LINE);
            hand.set(GemmTileCode.OTHER, half * apart);
            ahead(address, LINE, lines, apart - (long) lines * LINE, Math.ceilDiv(half * lines, tiles));
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
