package io.quern.tensor.cpu;

import io.quern.tensor.TensorException;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Off-heap memory for the length of a product, used again from call to call; machine code cannot take heap arrays. What does
 * not fit back is freed.
 */
final class NativeScratch {
    private static final int SMALLEST = 12; // log2 of the smallest block
    private static final int SLOTS = 16; // blocks kept of each size
    private static final int LINE = 64;
    private static final AtomicLongArray FREE = new AtomicLongArray((48 - SMALLEST) * SLOTS);

    private NativeScratch() {}

    /** At least so many bytes of any content, at the begin of a cache line; give them back with the same size. */
    static long take(long bytes) {
        int log = log(bytes);
        int first = (log - SMALLEST) * SLOTS;
        for (int i = first; i < first + SLOTS; i++) {
            long block = FREE.getPlain(i);
            if (block != 0 && FREE.compareAndSet(i, block, 0)) {
                return block;
            }
        }
        long raw = Malloc.malloc((1L << log) + 2 * LINE);
        if (raw == 0) {
            throw new TensorException("matrix product: no memory for " + bytes + " bytes of sums");
        }
        long block = (raw + 2 * LINE - 1) / LINE * LINE;
        OffHeap.setLong(block - Long.BYTES, raw);
        return block;
    }

    /** Returns what {@link #take} gave for so many bytes. */
    static void give(long block, long bytes) {
        int first = (log(bytes) - SMALLEST) * SLOTS;
        for (int i = first; i < first + SLOTS; i++) {
            if (FREE.getPlain(i) == 0 && FREE.compareAndSet(i, 0, block)) {
                return;
            }
        }
        Malloc.free(OffHeap.getLong(block - Long.BYTES));
    }

    private static int log(long bytes) {
        return Math.max(SMALLEST, 64 - Long.numberOfLeadingZeros(Math.max(0, bytes - 1)));
    }
}
