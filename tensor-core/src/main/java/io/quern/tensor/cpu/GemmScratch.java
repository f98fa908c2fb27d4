package io.quern.tensor.cpu;

import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Heap arrays for panels and tiles, used again from call to call. Not thread-local: kernels are called from virtual
 * threads too, each of which would get its own. What does not fit back is left to the garbage collector.
 */
final class GemmScratch {
    private static final int SMALLEST = 8; // log2 of the smallest array
    private static final int SLOTS = 64; // arrays kept of each size
    private static final AtomicReferenceArray<float[]> FREE = new AtomicReferenceArray<>((31 - SMALLEST) * SLOTS);

    private GemmScratch() {}

    /** An array of at least {@code size} elements with any content; give it back when done. */
    static float[] take(int size) {
        int log = Math.max(SMALLEST, 32 - Integer.numberOfLeadingZeros(Math.max(0, size - 1)));
        int first = (log - SMALLEST) * SLOTS;
        for (int i = first; i < first + SLOTS; i++) {
            float[] array = FREE.getPlain(i);
            if (array != null && FREE.compareAndSet(i, array, null)) {
                return array;
            }
        }
        return new float[1 << log];
    }

    /** Returns an array that {@link #take} made. */
    static void give(float[] array) {
        int first = (31 - Integer.numberOfLeadingZeros(array.length) - SMALLEST) * SLOTS;
        for (int i = first; i < first + SLOTS; i++) {
            if (FREE.getPlain(i) == null && FREE.compareAndSet(i, null, array)) {
                return;
            }
        }
    }
}
