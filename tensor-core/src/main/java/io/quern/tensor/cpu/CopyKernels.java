package io.quern.tensor.cpu;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.Arrays;

/**
 * Copies between views, bit by bit, for elements of 2, 4 and 8 bytes: packing, assigning, broadcasting. Runs that are
 * contiguous on both sides are copied whole; transposes go through blocks that fit the first-level cache.
 */
final class CopyKernels {
    private static final int TO = 0;
    private static final int FROM = 1;

    /** Bytes that make a task worth handing out: some 10 microseconds of copying. */
    private static final int CHUNK_BYTES = 1 << 18;

    /** Bytes from which on a run is worth a copy of its own. */
    private static final int LONG_RUN = 32;

    /** Side of the blocks of a transpose. */
    private static final int BLOCK = 64;

    /** Distance of rows in a block; not a power of two, so that its columns spread over the cache. */
    private static final int PITCH = BLOCK + 16;

    private CopyKernels() {}

    /** Copies the elements of one view to another of equal shape and dtype. */
    static void copy(Tensor from, Tensor to) {
        if (from.dtype().isQuantized()) {
            // Packed on both sides; the numbers do not matter, so it is a copy of words of 2 bytes.
            Shape words = Shape.of(Math.toIntExact(from.dtype().bytes(from.size()) / 2));
            copy(2, words, from.address(), words.strides(), to.address(), words.strides());
            return;
        }
        int bytes = to.dtype().bytes();
        int last = to.shape().rank() - 1;
        if (last >= 0
                && to.size() * bytes <= CHUNK_BYTES
                && to.dim(last) * bytes >= LONG_RUN
                && to.stride(last) == 1
                && from.stride(last) == 1) {
            rows(bytes, from, from.address(), to, to.address(), 0);
        } else {
            copy(bytes, to.shape(), from.address(), from.strides(), to.address(), to.strides());
        }
    }

    /** Few long runs, such as the keys and values of a token: one after the other, without any preparations. */
    private static void rows(int bytes, Tensor from, long fromAt, Tensor to, long toAt, int axis) {
        int n = to.dim(axis);
        if (axis == to.shape().rank() - 1) {
            OffHeap.copy(fromAt, toAt, (long) n * bytes);
            return;
        }
        for (int i = 0; i < n; i++) {
            rows(bytes, from, fromAt + i * from.stride(axis) * bytes, to, toAt + i * to.stride(axis) * bytes, axis + 1);
        }
    }

    /** Writes a tensor to packed memory at {@code to} as if it had the shape {@code shape}, to which it broadcasts. */
    static void expand(Tensor from, Shape shape, long to) {
        copy(from.dtype().bytes(), shape, from.address(), Runs.broadcast(from, shape), to, shape.strides());
    }

    private static void copy(int bytes, Shape shape, long from, long[] fromStrides, long to, long[] toStrides) {
        if (shape.size() == 0) {
            return;
        }
        Integer[] order = new Integer[shape.rank()];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (i, j) -> Long.compare(toStrides[j], toStrides[i]));
        int[] dims = new int[order.length];
        long[] f = new long[order.length];
        long[] t = new long[order.length];
        for (int i = 0; i < dims.length; i++) {
            dims[i] = shape.dim(order[i]);
            f[i] = fromStrides[order[i]];
            t[i] = toStrides[order[i]];
        }
        runs(bytes, Runs.of(Shape.of(dims), t, f), from, to);
    }

    private static void runs(int bytes, Runs runs, long from, long to) {
        int chunk = CHUNK_BYTES / bytes;
        long f = runs.innerStride(FROM);
        long t = runs.innerStride(TO);
        if (t == 1 && f == 1 && runs.inner() * bytes >= LONG_RUN) {
            runs.parallel(chunk, (o, n) -> OffHeap.copy(from + o[FROM] * bytes, to + o[TO] * bytes, (long) n * bytes));
            return;
        }
        int row = t == 1 ? unitStride(runs) : -1;
        if (row >= 0 && runs.dim(row) >= 8 && runs.inner() >= 8) {
            transpose(bytes, runs, row, from, to);
            return;
        }
        runs.parallel(chunk, (o, n) -> strided(bytes, from + o[FROM] * bytes, f, to + o[TO] * bytes, t, n));
    }

    /** The dimension but the innermost along which the source is contiguous, or -1. */
    private static int unitStride(Runs runs) {
        for (int i = 0; i < runs.rank() - 1; i++) {
            if (runs.stride(FROM, i) == 1) {
                return i;
            }
        }
        return -1;
    }

    private static void strided(int bytes, long from, long fromStride, long to, long toStride, int n) {
        long f = fromStride * bytes;
        long t = toStride * bytes;
        switch (bytes) {
            case 2 -> {
                for (int i = 0; i < n; i++) {
                    OffHeap.setShort(to + i * t, OffHeap.getShort(from + i * f));
                }
            }
            case 4 -> {
                for (int i = 0; i < n; i++) {
                    OffHeap.setInt(to + i * t, OffHeap.getInt(from + i * f));
                }
            }
            default -> {
                for (int i = 0; i < n; i++) {
                    OffHeap.copy(from + i * f, to + i * t, bytes);
                }
            }
        }
    }

    /** The source is contiguous along {@code row}, the target along the innermost dimension. */
    private static void transpose(int bytes, Runs runs, int row, long from, long to) {
        int rows = runs.dim(row);
        int columns = runs.inner();
        int blocks = (rows + BLOCK - 1) / BLOCK;
        int outer = Math.toIntExact(runs.outer() / rows);
        long fromColumn = runs.innerStride(FROM) * bytes;
        long toRow = runs.stride(TO, row) * bytes;
        boolean small = (long) rows * columns * outer * bytes <= CHUNK_BYTES;
        java.util.function.IntConsumer task = i -> {
            long[] o = offsetsWithout(runs, row, i / blocks);
            int first = i % blocks * BLOCK;
            int some = Math.min(BLOCK, rows - first);
            long f = from + (o[FROM] + first) * bytes;
            long t = to + o[TO] * bytes + first * toRow;
            for (int c = 0; c < columns; c += BLOCK) {
                int width = Math.min(BLOCK, columns - c);
                if (bytes == Float.BYTES) {
                    floats(f + c * fromColumn, fromColumn, t + (long) c * bytes, toRow, some, width);
                } else {
                    for (int r = 0; r < some; r++) {
                        long out = t + r * toRow + (long) c * bytes;
                        strided(bytes, f + c * fromColumn + (long) r * bytes, fromColumn / bytes, out, 1, width);
                    }
                }
            }
        };
        if (small) {
            for (int i = 0; i < outer * blocks; i++) {
                task.accept(i);
            }
        } else {
            Workers.parallelFor(outer * blocks, task);
        }
    }

    private static long[] offsetsWithout(Runs runs, int row, int index) {
        long[] offsets = new long[2];
        int rest = index;
        for (int i = runs.rank() - 2; i >= 0; i--) {
            if (i != row) {
                int at = rest % runs.dim(i);
                rest /= runs.dim(i);
                offsets[TO] += at * runs.stride(TO, i);
                offsets[FROM] += at * runs.stride(FROM, i);
            }
        }
        return offsets;
    }

    /** A block of up to 64 x 64 elements of 4 bytes. */
    private static void floats(long from, long fromColumn, long to, long toRow, int rows, int columns) {
        float[] in = GemmScratch.take(BLOCK * PITCH);
        float[] out = GemmScratch.take(BLOCK * PITCH);
        for (int c = 0; c < columns; c++) {
            OffHeap.read(from + c * fromColumn, in, c * PITCH, rows);
        }
        for (int c = 0; c < columns; c += 16) {
            for (int r = 0; r < rows; r += 16) {
                GemmTranspose.block(16, in, c * PITCH + r, PITCH, out, r * PITCH + c, PITCH);
            }
        }
        for (int r = 0; r < rows; r++) {
            OffHeap.write(out, r * PITCH, to + r * toRow, columns);
        }
        GemmScratch.give(out);
        GemmScratch.give(in);
    }
}
