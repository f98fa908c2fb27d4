package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Moves tiles of sums from the heap to C. Apart from the kernels, so that these stay small enough for C2. */
final class GemmStore {
    private static final VectorSpecies<Float> S = GemmLoad.F;
    private static final int L = S.length();

    private GemmStore() {}

    /**
     * C = tile + bias for {@code rows x columns} of a tile.
     *
     * @param width row length of the tile, at least {@code columns}
     * @param c address of the tile's first element in C
     * @param ldc distance of C's rows in elements
     * @param bias address of the bias of the tile's first column, or 0 for none
     */
    static void set(float[] tile, int width, int rows, int columns, long c, long ldc, long bias) {
        if (columns == 2 * L && width == 2 * L) {
            long step = ldc * Float.BYTES;
            if (bias == 0) {
                setTwo(tile, rows, c, step);
            } else {
                setTwo(tile, rows, c, step, bias);
            }
            return;
        }
        for (int i = 0; i < rows; i++) {
            long row = c + i * ldc * Float.BYTES;
            if (bias == 0) {
                setRow(tile, i * width, columns, row);
            } else {
                addRow(tile, i * width, columns, bias, row);
            }
        }
    }

    /** C += tile + bias, as in {@link #set}. */
    static void add(float[] tile, int width, int rows, int columns, long c, long ldc, long bias) {
        if (columns == 2 * L && width == 2 * L && bias == 0) {
            addTwo(tile, rows, c, ldc * Float.BYTES);
            return;
        }
        for (int i = 0; i < rows; i++) {
            long row = c + i * ldc * Float.BYTES;
            addRow(tile, i * width, columns, row, row);
            if (bias != 0) {
                addInPlace(bias, columns, row);
            }
        }
    }

    /** Rows of two vectors, {@code step} bytes apart in C. */
    private static void setTwo(float[] tile, int rows, long c, long step) {
        for (int i = 0; i < rows; i++) {
            long row = c + i * step;
            load(tile, i * 2 * L).intoMemorySegment(OffHeap.ALL, row, OffHeap.ORDER);
            load(tile, i * 2 * L + L).intoMemorySegment(OffHeap.ALL, row + 4 * L, OffHeap.ORDER);
        }
    }

    private static void setTwo(float[] tile, int rows, long c, long step, long bias) {
        FloatVector left = load(bias);
        FloatVector right = load(bias + 4 * L);
        for (int i = 0; i < rows; i++) {
            long row = c + i * step;
            load(tile, i * 2 * L).add(left).intoMemorySegment(OffHeap.ALL, row, OffHeap.ORDER);
            load(tile, i * 2 * L + L).add(right).intoMemorySegment(OffHeap.ALL, row + 4 * L, OffHeap.ORDER);
        }
    }

    private static void addTwo(float[] tile, int rows, long c, long step) {
        for (int i = 0; i < rows; i++) {
            long row = c + i * step;
            load(tile, i * 2 * L).add(load(row)).intoMemorySegment(OffHeap.ALL, row, OffHeap.ORDER);
            load(tile, i * 2 * L + L).add(load(row + 4 * L)).intoMemorySegment(OffHeap.ALL, row + 4 * L, OffHeap.ORDER);
        }
    }

    private static FloatVector load(float[] tile, int at) {
        return FloatVector.fromArray(S, tile, at);
    }

    private static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(S, OffHeap.ALL, address, OffHeap.ORDER);
    }

    private static void setRow(float[] tile, int at, int columns, long row) {
        int j = 0;
        for (; j <= columns - L; j += L) {
            FloatVector.fromArray(S, tile, at + j).intoMemorySegment(OffHeap.ALL, row + 4L * j, OffHeap.ORDER);
        }
        if (j < columns) {
            OffHeap.write(tile, at + j, row + 4L * j, columns - j);
        }
    }

    /** {@code row = tile + other}. */
    private static void addRow(float[] tile, int at, int columns, long other, long row) {
        int j = 0;
        for (; j <= columns - L; j += L) {
            FloatVector.fromArray(S, tile, at + j)
                    .add(FloatVector.fromMemorySegment(S, OffHeap.ALL, other + 4L * j, OffHeap.ORDER))
                    .intoMemorySegment(OffHeap.ALL, row + 4L * j, OffHeap.ORDER);
        }
        for (; j < columns; j++) {
            OffHeap.setFloat(row + 4L * j, tile[at + j] + OffHeap.getFloat(other + 4L * j));
        }
    }

    /** {@code row += other}. */
    private static void addInPlace(long other, int columns, long row) {
        int j = 0;
        for (; j <= columns - L; j += L) {
            FloatVector.fromMemorySegment(S, OffHeap.ALL, row + 4L * j, OffHeap.ORDER)
                    .add(FloatVector.fromMemorySegment(S, OffHeap.ALL, other + 4L * j, OffHeap.ORDER))
                    .intoMemorySegment(OffHeap.ALL, row + 4L * j, OffHeap.ORDER);
        }
        for (; j < columns; j++) {
            OffHeap.setFloat(row + 4L * j, OffHeap.getFloat(row + 4L * j) + OffHeap.getFloat(other + 4L * j));
        }
    }
}
