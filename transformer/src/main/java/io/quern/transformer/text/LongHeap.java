package io.quern.transformer.text;

import java.util.Arrays;

/** A binary heap of longs, the least on top. */
final class LongHeap {
    private long[] values;
    private int size;

    LongHeap(int capacity) {
        values = new long[Math.max(1, capacity)];
    }

    boolean isEmpty() {
        return size == 0;
    }

    /** Adds without order; {@link #build()} must follow. */
    void append(long value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, size + (size >> 1) + 1);
        }
        values[size++] = value;
    }

    void build() {
        for (int i = size / 2 - 1; i >= 0; i--) {
            sink(i, values[i]);
        }
    }

    void add(long value) {
        append(value);
        int i = size - 1;
        while (i > 0) {
            int parent = i - 1 >> 1;
            if (values[parent] <= value) {
                break;
            }
            values[i] = values[parent];
            i = parent;
        }
        values[i] = value;
    }

    long removeLeast() {
        long least = values[0];
        long last = values[--size];
        if (size > 0) {
            sink(0, last);
        }
        return least;
    }

    private void sink(int hole, long value) {
        int i = hole;
        int child = 2 * i + 1;
        while (child < size) {
            if (child + 1 < size && values[child + 1] < values[child]) {
                child++;
            }
            if (values[child] >= value) {
                break;
            }
            values[i] = values[child];
            i = child;
            child = 2 * i + 1;
        }
        values[i] = value;
    }
}
