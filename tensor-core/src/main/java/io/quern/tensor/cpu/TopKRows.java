package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;

import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.cpu.x86.ScanCode;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The k largest of a row of F32. A heap holds the best so far, its root the worst of them; most of the row is only compared
 * with that one, a stretch at a time.
 *
 * <p>A value and its index are one key, whose order is that of the result: larger values first, NaN before all, and of equal
 * ones the lower index.
 */
final class TopKRows {
    /** Elements that are compared before one of them is looked at by itself. */
    private static final int STRETCH = 256;

    private static final long LOW = 0xFFFFFFFFL;

    private TopKRows() {}

    /** Writes the values and their indices, best first; {@code keys} has room for k. */
    static void run(long x, int n, long[] keys, long values, long indices) {
        int k = keys.length;
        for (int i = 0; i < k; i++) {
            keys[i] = key(OffHeap.getFloat(x + 4L * i), i);
        }
        Arrays.sort(keys); // an ascending array is a heap
        int stretch = MachineCode.isUsed() ? ScanCode.STRETCH : STRETCH;
        for (int from = k; from < n; from += stretch) {
            from += firstAbove(x + 4L * from, value(keys[0]), n - from);
            if (from < n) {
                offer(x, from, Math.min(n, from + stretch), keys);
            }
        }
        Arrays.sort(keys);
        for (int rank = 0; rank < k; rank++) {
            int index = ~(int) keys[k - 1 - rank];
            OffHeap.setFloat(values + 4L * rank, OffHeap.getFloat(x + 4L * index));
            OffHeap.setInt(indices + 4L * rank, index);
        }
    }

    private static void offer(long x, int from, int to, long[] heap) {
        for (int i = from; i < to; i++) {
            long key = key(OffHeap.getFloat(x + 4L * i), i);
            if (key > heap[0]) {
                replaceRoot(heap, key);
            }
        }
    }

    /** -0 becomes 0, which it equals; floats in the order of their bits but for the negative ones, whose order is reversed. */
    private static long key(float x, int index) {
        int bits = Float.floatToIntBits(x + 0f);
        int ordered = bits ^ (bits >> 31 & Integer.MAX_VALUE);
        return (long) ordered << 32 | ~index & LOW;
    }

    private static float value(long key) {
        int ordered = (int) (key >> 32);
        return Float.intBitsToFloat(ordered ^ (ordered >> 31 & Integer.MAX_VALUE));
    }

    private static void replaceRoot(long[] heap, long key) {
        int i = 0;
        while (2 * i + 1 < heap.length) {
            int child = 2 * i + 1;
            if (child + 1 < heap.length && heap[child + 1] < heap[child]) {
                child++;
            }
            if (heap[child] >= key) {
                break;
            }
            heap[i] = heap[child];
            i = child;
        }
        heap[i] = key;
    }

    /** Index of the first stretch of which an element is larger than the threshold, or NaN; {@code n} or more if none is. */
    private static int firstAbove(long x, float threshold, int n) {
        if (MachineCode.isUsed()) {
            return (int) NativeCall.call(RowCode.firstAbove(), x, n, Float.floatToRawIntBits(threshold), 0, 0, 0);
        }
        int from = 0;
        while (from < n && !anyAbove(x + 4L * from, threshold, Math.min(STRETCH, n - from))) {
            from += STRETCH;
        }
        return from;
    }

    /** Whether any of {@code n} elements is larger than the threshold, or NaN. */
    private static boolean anyAbove(long x, float threshold, int n) {
        FloatVector most = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i <= n - L; i += L) {
            most = most.max(load(x + 4L * i)); // NaN where there is one
        }
        boolean any = !(most.reduceLanes(VectorOperators.MAX) <= threshold);
        for (; i < n; i++) {
            any |= !(OffHeap.getFloat(x + 4L * i) <= threshold);
        }
        return any;
    }
}
