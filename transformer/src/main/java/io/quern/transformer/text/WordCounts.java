package io.quern.transformer.text;

import java.util.Arrays;

/** How often each word, a sequence of bytes, has been added. The words are numbered as they come. */
final class WordCounts {
    private byte[] pool = new byte[1 << 16];
    private int[] ends = new int[1 << 12];
    private long[] counts = new long[1 << 12];
    private int size;
    /** Word numbers by hash, -1 where free; a power of two, at most half full. */
    private int[] slots = new int[1 << 13];

    WordCounts() {
        Arrays.fill(slots, -1);
    }

    int size() {
        return size;
    }

    long count(int word) {
        return counts[word];
    }

    int length(int word) {
        return ends[word] - start(word);
    }

    /** A byte of a word as 0..255. */
    int byteAt(int word, int index) {
        return pool[start(word) + index] & 0xFF;
    }

    /** The length of all different words together. */
    int totalLength() {
        return start(size);
    }

    /** Counts the word in bytes [from, to). */
    void add(byte[] bytes, int from, int to) {
        int slot = PieceCache.hash(bytes, from, to) & slots.length - 1;
        for (int word = slots[slot]; word >= 0; word = slots[slot]) {
            if (Arrays.equals(pool, start(word), ends[word], bytes, from, to)) {
                counts[word]++;
                return;
            }
            slot = slot + 1 & slots.length - 1;
        }
        slots[slot] = size;
        append(bytes, from, to);
        if (size > slots.length / 2) {
            rehash();
        }
    }

    private int start(int word) {
        return word == 0 ? 0 : ends[word - 1];
    }

    private void append(byte[] bytes, int from, int to) {
        int start = start(size);
        long end = (long) start + to - from;
        if (end > Integer.MAX_VALUE - 8) {
            throw new TokenizerException("the text has more than 2 GiB of different words; train on a part of it");
        }
        if (end > pool.length) {
            pool = Arrays.copyOf(pool, (int) Math.min(Integer.MAX_VALUE - 8L, Math.max(end, pool.length * 2L)));
        }
        if (size == ends.length) {
            ends = Arrays.copyOf(ends, size * 2);
            counts = Arrays.copyOf(counts, size * 2);
        }
        System.arraycopy(bytes, from, pool, start, to - from);
        ends[size] = (int) end;
        counts[size] = 1;
        size++;
    }

    private void rehash() {
        slots = new int[slots.length * 2];
        Arrays.fill(slots, -1);
        for (int word = 0; word < size; word++) {
            int slot = PieceCache.hash(pool, start(word), ends[word]) & slots.length - 1;
            while (slots[slot] >= 0) {
                slot = slot + 1 & slots.length - 1;
            }
            slots[slot] = word;
        }
    }
}
