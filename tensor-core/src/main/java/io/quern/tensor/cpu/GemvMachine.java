package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.x86.ColumnsCode;
import io.quern.tensor.cpu.x86.HalfTable;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.cpu.x86.RowsCode;
import java.lang.foreign.MemorySegment;

/**
 * What {@link Gemv} does, by machine code where there is some: x, y and the sums of stretches lie off-heap, y is written by
 * the code itself. Up to four rows of x share a reading of W, more of them two, the second one from a cache. Work is cut by
 * the shape and the format alone, so the bits depend neither on the number of threads nor on the number of rows.
 */
final class GemvMachine {
    /** Bytes of W that are worth a task: some 15 microseconds of reading. */
    private static final long TASK = 1 << 18;

    /** The least bytes of a task, where there would be fewer than {@link #TASKS}. */
    private static final long LEAST = 1 << 15;

    private static final int TASKS = 8;

    /** Rows of W[k, n] in a stretch, and the least where there would be fewer tasks than {@link #TASKS}. */
    private static final int DEEP = 128;

    private static final int SHALLOW = 16;

    /** Columns of W[k, n] in a task: their sums stay in the first-level cache. */
    private static final int WIDE = 4096;

    /** Numbers that share a scale in fixed point; every format's blocks are multiples of it. */
    private static final int BLOCK = 32;

    private GemvMachine() {}

    /** Whether there is code for this product, which {@link Gemv} serves. */
    static boolean serves(GemmCall g) {
        return serves(g.type(), alongK(g));
    }

    /** Whether there is code for a format in a layout: columns of W contiguous, or rows. */
    static boolean serves(DType type, boolean alongK) {
        return MachineCode.isUsed() && (alongK ? RowsCode.has(type) : ColumnsCode.has(type));
    }

    private static boolean alongK(GemmCall g) {
        return g.bRow() == 1 && (g.bCol() != 1 || g.n() == 1);
    }

    static void run(GemmCall g) {
        run(g, RowsCode.fixes(g.type()));
    }

    /**
     * The same, with x as told.
     *
     * @param fixed whether rows of x meet blocks of weights in fixed point
     */
    static void run(GemmCall g, boolean fixed) {
        if (alongK(g)) {
            rows(g, fixed);
        } else {
            columns(g);
        }
    }

    private static boolean packed(GemmCall g) {
        return g.aCol() == 1 || g.k() == 1;
    }

    /** Bytes that a copy of x takes. */
    private static long copied(GemmCall g) {
        return packed(g) ? 0 : 4L * g.m() * g.k();
    }

    private static void copy(GemmCall g, long x) {
        for (int i = 0; i < g.m() && !packed(g); i++) {
            for (int p = 0; p < g.k(); p++) {
                OffHeap.setFloat(x + 4L * (i * (long) g.k() + p), OffHeap.getFloat(g.aAt(i, p)));
            }
        }
    }

    private static void rows(GemmCall g, boolean fixed) {
        long fixedRow = fixed ? RowsCode.fixedBytes(g.type(), g.k()) : 0;
        long bytes = RowsCode.PARAMETERS * 2 + g.m() * fixedRow + copied(g);
        long scratch = NativeScratch.take(bytes);
        try {
            long digits = scratch + RowsCode.PARAMETERS * 2;
            long copy = digits + g.m() * fixedRow;
            copy(g, copy);
            long x = packed(g) ? g.a() : copy;
            long xRow = 4 * (packed(g) ? g.aRow() : g.k());
            for (int i = 0; i < g.m() && fixed; i++) {
                NativeCall.call(GemvCode.digits(g.type()), x + i * xRow, digits + i * fixedRow, g.k() / BLOCK, 0, 0, 0);
            }
            for (int i = 0; i < g.m(); i += RowsCode.ROWS) {
                long at = scratch + i / RowsCode.ROWS * RowsCode.PARAMETERS;
                OffHeap.setLong(at + RowsCode.X, fixed ? digits + i * fixedRow : x + i * xRow);
                OffHeap.setLong(at + RowsCode.X_ROW, fixed ? fixedRow : xRow);
                parameters(g, at, fixed);
            }
            long column = g.type().bytes(g.k());
            long tasks = Math.max(column * g.n() / TASK, Math.min(TASKS, column * g.n() / LEAST));
            int wide = GemmPack.up(Math.ceilDiv(g.n(), (int) Math.max(1, tasks)), RowsCode.STREAMS);
            Gemv.each(g, Math.ceilDiv(g.n(), wide), t -> {
                int j = t * wide;
                for (int i = 0; i < g.m(); i += RowsCode.ROWS) {
                    long parameters = scratch + i / RowsCode.ROWS * RowsCode.PARAMETERS;
                    MemorySegment code = GemvCode.rows(g.type(), Math.min(RowsCode.ROWS, g.m() - i), fixed);
                    rows(g, i, code, parameters, j, Math.min(wide, g.n() - j));
                }
            });
        } finally {
            NativeScratch.give(scratch, bytes);
        }
    }

    private static void parameters(GemmCall g, long at, boolean fixed) {
        int elements = RowsCode.elements(g.type(), fixed);
        int rest = g.k() % elements;
        int bits = fixed ? (int) g.type().bytes(rest) : rest;
        OffHeap.setLong(at + RowsCode.UNITS, g.k() / elements);
        OffHeap.setLong(at + RowsCode.TAIL, ones(bits));
        OffHeap.setLong(at + RowsCode.TAIL_END, ones(bits - 64));
        OffHeap.setLong(at + RowsCode.COLUMN, g.bStep());
        OffHeap.setLong(at + RowsCode.Y_ROW, 4 * g.ldc());
        OffHeap.setLong(at + RowsCode.ACCUMULATE, g.accumulate() ? 1 : 0);
        OffHeap.setLong(at + RowsCode.HALVES, g.type().isQuantized() ? HalfTable.address() : 0);
    }

    private static long ones(int count) {
        return count <= 0 ? 0 : -1L >>> Math.max(0, 64 - count);
    }

    /** Columns {@code j ...} for rows {@code i ...} of x. */
    private static void rows(GemmCall g, int i, MemorySegment code, long parameters, int j, int columns) {
        int each = columns / RowsCode.STREAMS;
        if (each > 0) {
            NativeCall.call(code, parameters, g.bAt(0, j), g.cAt(i, j), each, bias(g, j), each);
        }
        int left = columns - RowsCode.STREAMS * each;
        if (left > 0) {
            int at = j + columns - left;
            NativeCall.call(code, parameters, g.bAt(0, at), g.cAt(i, at), left, bias(g, at), 0);
        }
    }

    private static long bias(GemmCall g, int j) {
        return g.bias() == 0 ? 0 : g.bias() + 4L * j;
    }

    private static void columns(GemmCall g) {
        int across = Math.ceilDiv(g.n(), WIDE);
        int wide = GemmPack.up(Math.ceilDiv(g.n(), across), 64);
        int stretches = Math.max(
                Math.ceilDiv(g.k(), DEEP), Math.min(Math.ceilDiv(TASKS, across), Math.ceilDiv(g.k(), SHALLOW)));
        int deep = GemmPack.up(Math.ceilDiv(g.k(), stretches), 4);
        int taken = Math.ceilDiv(g.k(), deep);
        long row = 4L * wide * across; // of sums
        long stretch = g.m() * row;
        long bytes = 64 + taken * stretch + copied(g);
        long scratch = NativeScratch.take(bytes);
        try {
            long sums = scratch + 64;
            copy(g, sums + taken * stretch);
            long x = packed(g) ? g.a() : sums + taken * stretch;
            long xRow = 4 * (packed(g) ? g.aRow() : g.k());
            OffHeap.setLong(scratch + ColumnsCode.X_ROW, xRow);
            OffHeap.setLong(scratch + ColumnsCode.W_ROW, g.bRow() * g.type().bytes());
            OffHeap.setLong(scratch + ColumnsCode.Y_ROW, row);
            Gemv.each(g, taken * across, t -> {
                int p = t / across * deep;
                int j = t % across * wide;
                int depth = Math.min(deep, g.k() - p);
                int columns = Math.min(wide, g.n() - j);
                long y = sums + t / across * stretch + 4L * j;
                for (int i = 0; i < g.m(); i += ColumnsCode.ROWS) {
                    MemorySegment code = GemvCode.columns(g.type(), Math.min(ColumnsCode.ROWS, g.m() - i));
                    NativeCall.call(code, scratch, g.bAt(p, j), y + i * row, depth, x + i * xRow + 4L * p, columns);
                }
            });
            for (int i = 0; i < g.m(); i++) {
                NativeCall.call(
                        GemvCode.sum(g.accumulate()), sums + i * row, stretch, taken, g.n(), bias(g, 0), g.cAt(i, 0));
            }
        } finally {
            NativeScratch.give(scratch, bytes);
        }
    }
}
