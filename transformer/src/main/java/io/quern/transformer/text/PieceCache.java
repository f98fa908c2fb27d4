package io.quern.transformer.text;

import java.util.Arrays;

/**
 * The ids of pieces that were encoded before. A piece has one place, by its hash, and takes it from the piece that was
 * there: so the cache is bounded and needs no lock. Threads may see each other's entries late, never half, because an
 * entry does not change.
 */
final class PieceCache {
    /** Longer pieces are rare and their entries large. */
    static final int MAX_LENGTH = 48;

    private static final int SLOTS = 1 << 15;

    private record Entry(byte[] piece, int[] ids) {}

    private final Entry[] entries = new Entry[SLOTS];

    static int hash(byte[] bytes, int from, int to) {
        int h = to - from;
        for (int i = from; i < to; i++) {
            h = h * 31 + bytes[i];
        }
        h *= 0x9E3779B9;
        return h ^ h >>> 15;
    }

    /** The ids of bytes [from, to), or null. */
    int[] get(byte[] bytes, int from, int to, int hash) {
        Entry entry = entries[hash & SLOTS - 1];
        return entry != null && Arrays.equals(entry.piece, 0, entry.piece.length, bytes, from, to) ? entry.ids : null;
    }

    void put(byte[] bytes, int from, int to, int hash, int[] ids) {
        entries[hash & SLOTS - 1] = new Entry(Arrays.copyOfRange(bytes, from, to), ids);
    }
}
