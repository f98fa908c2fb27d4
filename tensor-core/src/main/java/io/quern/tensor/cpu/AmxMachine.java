package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.x86.AmxTileCode.DEPTH;
import static io.quern.tensor.cpu.x86.AmxTileCode.PART;
import static io.quern.tensor.cpu.x86.AmxTileCode.SIDE;
import static io.quern.tensor.cpu.x86.AmxTileCode.TILE;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.x86.AmxTileCode;
import io.quern.tensor.cpu.x86.GemmPackCode.Element;
import io.quern.tensor.cpu.x86.MatrixUnit;
import io.quern.tensor.cpu.x86.NativeCall;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Cuts a product into blocks for {@link AmxTileCode}: as {@link GemmMachine} does for multiply-adds, with boxes of blocks of
 * 32 rows and panels of 32 columns, both packed as parts in bf16.
 *
 * <p>Blocks begin at multiples of 32 rows and columns whatever the number of threads, and stretches of k depend on k and the
 * types alone, so that the bits of an element do too. A block whose sums over a stretch do not come out finite is computed
 * by {@link GemmMachine}, which the data alone decide.
 */
final class AmxMachine {
    /** Longest stretch of k. */
    private static final int KC = 768;

    /** Bytes of a group of packed panels, and of a packed box: together well within a second-level cache of 2 MiB. */
    private static final int GROUP = 900_000;

    private static final int BOX = 600_000;

    /** Bytes of the packed boxes that a thread keeps for the next groups. */
    private static final int BLOCK = 1 << 23;

    /** Boxes of groups for each thread, so that threads end at about the same time. */
    private static final int SHARES = 4;

    /** Panels that are packed together where rows of B are contiguous: each lies on other pages. */
    private static final int TOGETHER = 4;

    /** Below this number of multiplications, waking other threads costs more than they save. */
    private static final long SERIAL = 1 << 20;

    private final GemmCall g;
    private final Element element;
    private final int left; // parts of a number of A
    private final int right;
    private final MemorySegment tiles;
    private final int kc;
    private final int high; // rows of a box
    private final int boxes;
    private final int perBlock; // boxes of a block
    private final int panels;
    private final int wide; // panels of a group
    private final GemmShare share;

    private AmxMachine(GemmCall g, int left, int threads) {
        this.g = g;
        this.left = left;
        element = GemmCode.element(g.type());
        right = parts(g.type());
        tiles = AmxCode.tiles(left, right);
        int unit = g.type().isQuantized() ? Math.max(DEPTH, g.type().blockSize()) : DEPTH;
        kc = GemmPack.up(Math.ceilDiv(g.k(), Math.ceilDiv(g.k(), KC)), unit);
        int steps = Math.ceilDiv(kc, DEPTH);
        int rows = Math.ceilDiv(g.m(), SIDE);
        int block = steps * left * PART;
        panels = Math.ceilDiv(g.n(), SIDE);
        int parts = Math.ceilDiv(panels, Math.max(1, GROUP / (steps * right * PART)));
        // threads share rows and all pack B, or share columns and all pack A
        boolean tall = threads > 1 && parts == 1 && rows >= 2 * panels;
        int least = tall ? Math.min(rows, SHARES * threads) : 1;
        high = Math.ceilDiv(rows, Math.max(least, Math.ceilDiv(rows, Math.max(1, BOX / block)))) * SIDE;
        boxes = Math.ceilDiv(g.m(), high);
        perBlock = Math.ceilDiv(boxes, Math.ceilDiv(boxes, Math.max(1, BLOCK / (high / SIDE * block))));
        if (!tall && threads > 1 && (long) parts * boxes < (long) SHARES * threads) {
            parts = Math.min(panels, Math.max(parts, threads));
        }
        if (!tall && parts % threads != 0 && panels > GemmPack.up(parts, threads)) {
            parts = GemmPack.up(parts, threads);
        }
        wide = Math.ceilDiv(panels, parts);
        share = new GemmShare(Math.ceilDiv(g.k(), kc), boxes, perBlock, Math.ceilDiv(panels, wide));
    }

    /**
     * Whether products with this type are faster here than by multiply-adds, and as exact: those of many rows, columns and k,
     * as it takes more to pack parts, and of more rows the more parts B has.
     */
    static boolean serves(DType type, long m, int n, int k) {
        int parts = parts(type);
        return MatrixUnit.isUsed()
                && m >= 16L << parts
                && n >= 32 + 32 * parts
                && k >= 64
                && m * n * k >= 1L << 15 + 3 * parts;
    }

    /** How many numbers in bf16 one of this type is the sum of. */
    static int parts(DType type) {
        return type == DType.BF16 ? 1 : type == DType.F16 ? 2 : 3;
    }

    /**
     * C (+)= A B (+ bias), for sizes that are not 0.
     *
     * @param values the type that all numbers of A have room in
     */
    static void run(GemmCall g, DType values) {
        int threads = g.products() < SERIAL ? 1 : Workers.threads();
        AmxMachine product = new AmxMachine(g, parts(values), threads);
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
        private int k0;
        private int length;

        Part(GemmHand hand) {
            this.hand = hand;
            b = hand.right(panelBytes() * wide);
            hand.set(AmxTileCode.B_BLOCK, 0);
            hand.set(AmxTileCode.C_ROW, g.ldc() * Float.BYTES);
            hand.set(AmxTileCode.C_BLOCK, SIDE * g.ldc() * Float.BYTES);
            hand.set(AmxTileCode.BIAS_BLOCK, 0);
        }

        private long panelBytes() {
            return (long) Math.ceilDiv(kc, DEPTH) * right * PART;
        }

        @Override
        public void multiply(int item, int first, int box) {
            int stretch = share.stretch(item);
            if (this.item != item) {
                if (this.item < 0 || share.block(this.item) != share.block(item)) {
                    Arrays.fill(readyBoxes, false);
                }
                Arrays.fill(ready, false);
                this.item = item;
            }
            k0 = stretch * kc;
            length = Math.min(kc, g.k() - k0);
            int steps = Math.ceilDiv(length, DEPTH);
            int i0 = (first + box) * high;
            int rows = Math.min(high, g.m() - i0);
            int j0 = share.group(item) * wide * SIDE;
            long blockBytes = (long) steps * left * PART;
            long a = hand.left(perBlock * (high / SIDE * blockBytes)) + box * (high / SIDE * blockBytes);
            if (!readyBoxes[box]) {
                packLeft(i0, rows, steps, a, blockBytes);
                readyBoxes[box] = true;
            }
            hand.set(AmxTileCode.STEPS, steps);
            hand.set(AmxTileCode.A_BLOCK, blockBytes);
            hand.set(AmxTileCode.ADD, stretch > 0 || g.accumulate() ? 1 : 0);
            int count = Math.min(wide, panels - j0 / SIDE);
            for (int p = 0; p < count; p++) {
                int j = j0 + p * SIDE;
                int columns = Math.min(SIDE, g.n() - j);
                long to = b + p * panelBytes();
                if (!ready[p]) {
                    packRight(p, count, j, steps, to);
                }
                hand.set(AmxTileCode.MASK, (1L << columns) - 1);
                hand.set(AmxTileCode.BIAS, stretch == 0 && g.bias() != 0 ? g.bias() + (long) Float.BYTES * j : 0);
                blocks(i0, rows / SIDE, SIDE, j, columns, a, to, blockBytes);
                if (rows % SIDE > 0) {
                    int i = rows / SIDE;
                    blocks(i0 + i * SIDE, 1, rows % SIDE, j, columns, a + i * blockBytes, to, blockBytes);
                }
            }
        }

        /** Some blocks of C below each other, each of so many rows. */
        private void blocks(int i, int count, int rows, int j, int columns, long a, long b, long blockBytes) {
            hand.set(AmxTileCode.ROWS, rows);
            int done = 0;
            while (done < count) {
                int row = i + done * SIDE;
                long at = a + done * blockBytes;
                long left = NativeCall.call(tiles, hand.arguments(), at, b, g.cAt(row, j), count - done, 0);
                if (left > 0) {
                    again(i + (count - (int) left) * SIDE, rows, j, columns);
                }
                done = count - (int) left + (left > 0 ? 1 : 0);
            }
        }

        /** A block that did not come out finite, by multiply-adds. */
        private void again(int i, int rows, int j, int columns) {
            GemmMachine.run(new GemmCall(
                    rows,
                    columns,
                    length,
                    g.aAt(i, k0),
                    g.aRow(),
                    g.aCol(),
                    g.type(),
                    g.bAt(k0, j),
                    g.bRow(),
                    g.bCol(),
                    g.cAt(i, j),
                    g.ldc(),
                    k0 == 0 && g.bias() != 0 ? g.bias() + (long) Float.BYTES * j : 0,
                    k0 > 0 || g.accumulate()));
        }

        /** Packs a box of A. */
        private void packLeft(int i0, int rows, int steps, long to, long blockBytes) {
            if (g.aRow() == 1 && g.aCol() != 1) {
                int whole = rows / SIDE;
                if (whole > 0) {
                    pairs(Element.F32, left, g.aAt(i0, k0), g.aCol(), whole, SIDE, to, blockBytes);
                }
                if (rows % SIDE > 0) {
                    long rest = to + whole * blockBytes;
                    pairs(Element.F32, left, g.aAt(i0 + whole * SIDE, k0), g.aCol(), 1, rows % SIDE, rest, blockBytes);
                }
                long tiles = 2L * steps * left * Math.ceilDiv(rows, SIDE);
                NativeCall.call(AmxCode.transposing(), to, tiles, 0, 0, 0, 0);
                return;
            }
            for (int i = 0; i < rows; i += SIDE) {
                int some = Math.min(SIDE, rows - i);
                long from = g.aAt(i0 + i, k0);
                long step = g.aRow() * Float.BYTES;
                if (g.aCol() != 1) {
                    from = gathered(i0 + i, some);
                    step = (long) length * Float.BYTES;
                }
                for (int t = 0; t < 2; t++) {
                    packRows(Element.F32, left, from, step, some, t, to + i / SIDE * blockBytes);
                }
            }
        }

        /** Rows of an A with neither stride 1, one after the other. */
        private long gathered(int i, int rows) {
            long stage = hand.stage((long) SIDE * length * Float.BYTES);
            for (int r = 0; r < rows; r++) {
                for (int q = 0; q < length; q++) {
                    long at = stage + Float.BYTES * ((long) r * length + q);
                    OffHeap.setFloat(at, OffHeap.getFloat(g.aAt(i + r, k0 + q)));
                }
            }
            return stage;
        }

        /** Packs blocks or panels from lines across k, that many elements of each. */
        private void pairs(
                Element type, int parts, long from, long step, int panels, int elements, long to, long panelBytes) {
            long mask = (long) panels << 32 | (1L << elements) - 1;
            NativeCall.call(AmxCode.pairs(type, parts), from, step * type.bytes, length, to, mask, panelBytes);
        }

        /** Packs tile {@code t} of two from lines along k; where there are no lines for it, the last one stands in. */
        private void packRows(Element type, int parts, long from, long step, int lines, int t, long to) {
            int begin = Math.min(t * SIDE / 2, lines - 1);
            NativeCall.call(
                    AmxCode.rows(type, parts),
                    from + begin * step,
                    step,
                    Math.min(SIDE / 2, lines - begin),
                    to + (long) t * TILE,
                    length,
                    (1L << length % DEPTH) - 1);
        }

        /** Packs a panel of B, or several at once where that is faster. */
        private void packRight(int p, int count, int j, int steps, long to) {
            int columns = Math.min(SIDE, g.n() - j);
            ready[p] = true;
            long from = g.bAt(k0, j);
            long tiles = 2L * steps * right;
            if (g.type().isQuantized()) {
                int line = length + 16; // so that the lines spread over the cache
                float[] wide = GemmScratch.take(columns * line);
                Dequantizer dequantizer = Dequantizer.take();
                dequantizer.rows(g.type(), g.bAt(0, j), g.bStep(), columns, k0, length, wide, 0, line);
                Dequantizer.give(dequantizer);
                staged(wide, columns, line, to);
                GemmScratch.give(wide);
                NativeCall.call(AmxCode.transposing(), to, tiles, 0, 0, 0, 0);
            } else if (g.bCol() == 1) {
                int some = 1;
                while (some < TOGETHER && p + some < count && j + (some + 1) * SIDE <= g.n()) {
                    ready[p + some] = true;
                    some++;
                }
                pairs(element, right, from, g.bRow(), some, columns, to, panelBytes());
            } else if (g.bRow() == 1) {
                for (int t = 0; t < 2; t++) {
                    packRows(element, right, from, g.bCol() * element.bytes, columns, t, to);
                }
                NativeCall.call(AmxCode.transposing(), to, tiles, 0, 0, 0, 0);
            } else {
                float[] wide = GemmScratch.take(columns * length);
                for (int c = 0; c < columns; c++) {
                    for (int q = 0; q < length; q++) {
                        wide[c * length + q] = GemmReference.element(g.type(), g.bAt(k0 + q, j + c));
                    }
                }
                staged(wide, columns, length, to);
                GemmScratch.give(wide);
                NativeCall.call(AmxCode.transposing(), to, tiles, 0, 0, 0, 0);
            }
        }

        private void staged(float[] wide, int columns, int line, long to) {
            long stage = hand.stage((long) columns * line * Float.BYTES);
            OffHeap.write(wide, 0, stage, columns * line);
            for (int t = 0; t < 2; t++) {
                packRows(Element.F32, right, stage, (long) line * Float.BYTES, columns, t, to);
            }
        }
    }
}
