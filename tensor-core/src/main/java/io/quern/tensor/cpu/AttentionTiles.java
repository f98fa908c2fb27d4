package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.x86.GemmTileCode.COLUMNS;
import static io.quern.tensor.cpu.x86.GemmTileCode.ROWS;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import io.quern.tensor.cpu.x86.GemmPackCode.Element;
import io.quern.tensor.cpu.x86.GemmTileCode;
import io.quern.tensor.cpu.x86.GemmTileCode.Left;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import java.lang.foreign.MemorySegment;

/**
 * What a task of attention needs to multiply in machine code: off-heap memory, panels of 32 columns as {@link GemmTileCode}
 * takes them, and the products themselves. Closing it gives the memory back.
 */
final class AttentionTiles implements AutoCloseable {
    /** Bytes of a matrix of scores, at most, unless a tile of rows alone has more: two stay in the second-level cache. */
    private static final int SCORES = 1 << 19;

    /** Most rows of such a matrix. */
    private static final int MOST = 9 * ROWS;

    /** Bytes between rows of scores beyond whole panels, so that the rows spread over the cache. */
    private static final int APART = 64;

    private final long base;
    private final long bytes;
    private long used;
    private final long arguments;

    /** With room for {@code floats} numbers in {@code pieces} pieces. */
    AttentionTiles(long floats, int pieces) {
        bytes = GemmTileCode.BYTES + 4 * floats + (pieces + 1L) * AttentionCodes.VECTOR;
        base = NativeScratch.take(bytes);
        arguments = take(GemmTileCode.BYTES / Float.BYTES);
        set(GemmTileCode.BIAS, 0);
        set(GemmTileCode.STEPS, 0);
        set(GemmTileCode.PAIRS, 1);
        set(GemmTileCode.C_PAIRS, 1);
        set(GemmTileCode.NEXT, base);
        set(GemmTileCode.STEP, 0);
        set(GemmTileCode.OTHER, 0);
        set(GemmTileCode.WRAP, 0);
        set(GemmTileCode.INNER, 1);
        set(GemmTileCode.LEFT, 1);
    }

    /** Whether there is code for many queries of a head size, with rows of a shared cache or without. */
    static boolean serves(int size, boolean rows, double scale) {
        return size % 16 == 0 && size > 0 && !rows && scale > 0 && scale <= Float.MAX_VALUE && MachineCode.isUsed();
    }

    /** Bytes between rows of scores against n keys. */
    static long rowBytes(int n) {
        return 4L * GemmPack.up(n, COLUMNS) + APART;
    }

    /** Rows of a matrix of scores against n keys. */
    static int blockRows(int n) {
        return Math.clamp(SCORES / rowBytes(n) / ROWS * ROWS, ROWS, MOST);
    }

    /** Floats that n rows of a head need as panels of either kind. */
    static long panelFloats(int n, int size) {
        return (long) GemmPack.up(n, COLUMNS) * GemmPack.up(size, COLUMNS);
    }

    /** Memory of any content. */
    long take(long floats) {
        long at = base + used;
        used += (4 * floats + AttentionCodes.VECTOR - 1) / AttentionCodes.VECTOR * AttentionCodes.VECTOR;
        if (used > bytes) {
            throw new IllegalStateException("attention takes " + used + " bytes of " + bytes);
        }
        return at;
    }

    private void set(int argument, long value) {
        OffHeap.setLong(arguments + argument, value);
    }

    /** Rows {@code first} to {@code first + n - 1} as columns: a panel holds 32 of them, its rows are the head size. */
    void columns(Rows x, int b, int head, int size, int first, int n, long to) {
        for (int j = 0; j < n; j += COLUMNS) {
            int some = Math.min(COLUMNS, n - j);
            long pitch = some > 16 ? 128 : 64;
            for (int i = 0; i < some; i += 16) {
                NativeCall.call(
                        GemmCode.transposing(Math.min(16, some - i), Element.F32),
                        x.at(b, first + j + i, head),
                        4 * x.t(),
                        size,
                        columnPanel(to, j, size) + 4L * i,
                        pitch,
                        0);
            }
        }
    }

    /** Where the panel of columns that begins with column j lies. */
    static long columnPanel(long panels, int j, int size) {
        return panels + 4L * j * size;
    }

    /** Rows {@code first} to {@code first + n - 1} as rows, in panels of 32 of their numbers. */
    void rows(Rows x, int b, int head, int size, int first, int n, long to) {
        for (int d = 0; d < size; d += COLUMNS) {
            int some = Math.min(COLUMNS, size - d);
            NativeCall.call(
                    GemmCode.lines(some > 16 ? 2 : 1, Element.F32),
                    x.at(b, first, head) + 4L * d,
                    4 * x.t(),
                    n,
                    rowPanel(to, d, n),
                    some > 16 ? 128 : 64,
                    (1L << some) - 1);
        }
    }

    /** Where the panel of n rows that begins with number d of each lies. */
    static long rowPanel(long panels, int d, int n) {
        return panels + 4L * d * n;
    }

    /** Where row i of a panel of {@code columns} lies. */
    static long inPanel(long panel, int i, int columns) {
        return panel + (columns > 16 ? 128L : 64L) * i;
    }

    /**
     * C = A B, or C += A B, for a panel B of up to 32 columns.
     *
     * @param aStep bytes from a row of A to the next; or from a column to the next, if A lies by columns
     * @param cStep bytes from a row of C to the next
     */
    void multiply(
            int rows, int k, Left left, long a, long aStep, long panel, int columns, long c, long cStep, boolean add) {
        long next = left == Left.ROWS ? ROWS * aStep : ROWS * Float.BYTES;
        set(GemmTileCode.K, k);
        set(GemmTileCode.A_STEP, aStep);
        set(GemmTileCode.A_TILE, next);
        set(GemmTileCode.C_ROW, cStep);
        set(GemmTileCode.C_TILE, ROWS * cStep);
        set(GemmTileCode.ADD, add ? 1 : 0);
        set(GemmTileCode.MASK, (1L << columns) - 1);
        int vectors = columns > 16 ? 2 : 1;
        int tiles = rows / ROWS;
        int rest = rows % ROWS;
        if (tiles > 0) {
            call(GemmCode.tile(ROWS, vectors, left, true), a, panel, c, tiles);
        }
        if (rest > 0) {
            call(GemmCode.tile(rest, vectors, left, true), a + tiles * next, panel, c + tiles * ROWS * cStep, 1);
        }
    }

    private void call(MemorySegment code, long a, long b, long c, int tiles) {
        NativeCall.call(code, arguments, a, b, c, tiles, 0);
    }

    /**
     * Scores of queries: for each tile of them, against panels of keys of which any sees one.
     *
     * @param x holds the queries, of which {@code count} are taken from {@code i} on
     * @param n columns in the panels
     * @param scores of query i, the rows {@code step} bytes apart
     */
    void scores(Call c, Rows x, int b, int head, int i, int count, int n, long panels, long scores, long step) {
        int seen = c.visible(i + count - 1);
        for (int j = 0; j < seen; j += COLUMNS) {
            int first = Math.max(0, c.firstQuery(j) - i) / ROWS * ROWS;
            multiply(
                    count - first,
                    c.size(),
                    Left.ROWS,
                    x.at(b, i + first, head),
                    4 * x.t(),
                    columnPanel(panels, j, c.size()),
                    Math.min(COLUMNS, n - j),
                    scores + first * step + 4L * j,
                    step,
                    false);
        }
    }

    /**
     * For each tile of queries, weights times the rows of keys or values that the last of them sees; 0 if it sees none.
     *
     * @param n rows in the panels
     * @param weights of query i, the rows {@code step} bytes apart
     */
    void sums(Call c, Rows to, int b, int head, int i, int count, int n, long panels, long weights, long step) {
        for (int r = 0; r < count; r += ROWS) {
            int high = Math.min(ROWS, count - r);
            int seen = c.visible(i + r + high - 1);
            for (int k = r; k < r + high && seen == 0; k++) {
                OffHeap.zero(to.at(b, i + k, head), (long) Float.BYTES * c.size());
            }
            for (int d = 0; d < c.size() && seen > 0; d += COLUMNS) {
                multiply(
                        high,
                        seen,
                        Left.ROWS,
                        weights + r * step,
                        step,
                        rowPanel(panels, d, n),
                        Math.min(COLUMNS, c.size() - d),
                        to.at(b, i + r, head) + 4L * d,
                        4 * to.t(),
                        false);
            }
        }
    }

    /**
     * For each tile of keys, adds weights, transposed, times the rows of queries that see any of them.
     *
     * @param weights of query i, the rows {@code step} bytes apart
     * @param panels the rows of the queries
     */
    void transposedSums(Call c, Rows to, int b, int g, int i, int count, long panels, long weights, long step) {
        int seen = c.visible(i + count - 1);
        for (int j = 0; j < seen; j += ROWS) {
            int first = Math.max(0, c.firstQuery(j) - i);
            for (int d = 0; d < c.size(); d += COLUMNS) {
                int columns = Math.min(COLUMNS, c.size() - d);
                multiply(
                        Math.min(ROWS, seen - j),
                        count - first,
                        Left.COLUMNS,
                        weights + first * step + 4L * j,
                        step,
                        inPanel(rowPanel(panels, d, count), first, columns),
                        columns,
                        to.at(b, j, g) + 4L * d,
                        4 * to.t(),
                        true);
            }
        }
    }

    @Override
    public void close() {
        NativeScratch.give(base, bytes);
    }
}
