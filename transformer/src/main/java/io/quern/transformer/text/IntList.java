package io.quern.transformer.text;

import java.util.Arrays;

/** A growing list of ints. */
final class IntList {
    private int[] values;
    private int size;

    IntList(int capacity) {
        values = new int[capacity];
    }

    void add(int value) {
        if (size == values.length) {
            grow(size + 1);
        }
        values[size++] = value;
    }

    void addAll(int[] more) {
        if (size + more.length > values.length) {
            grow(size + more.length);
        }
        System.arraycopy(more, 0, values, size, more.length);
        size += more.length;
    }

    int get(int index) {
        return values[index];
    }

    int size() {
        return size;
    }

    int[] toArray() {
        return Arrays.copyOf(values, size);
    }

    /** Forgets the values from {@code length} on. */
    void truncate(int length) {
        size = length;
    }

    /** The values from {@code from} to the end. */
    int[] tail(int from) {
        return Arrays.copyOfRange(values, from, size);
    }

    private void grow(int needed) {
        values = Arrays.copyOf(values, Math.max(needed, Math.max(16, values.length + (values.length >> 1))));
    }
}
