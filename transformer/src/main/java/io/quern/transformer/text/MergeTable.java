package io.quern.transformer.text;

import java.util.Arrays;

/**
 * The merges of a BPE vocabulary and the algorithm that applies them: of all neighbouring pairs in a piece the one with
 * the lowest rank, among equals the leftmost, becomes one token, until no pair is left that has a rank.
 *
 * <p>A merge is a {@code long}: its rank in the upper half and the id of the token that it makes in the lower, so that
 * the smaller of two is the one to do first. The table is a hash table with linear probing, at most half full.
 */
final class MergeTable {
    /** No merge; greater than any. */
    static final long NONE = Long.MAX_VALUE;

    /** Up to this length looking at all pairs again after each merge is faster than a heap. */
    private static final int SCAN_LIMIT = 48;

    private static final long FREE = -1;

    private final long[] pairs;
    private final long[] merges;
    private final int mask;
    private final int[] lefts;
    private final int[] rights;

    /** Pair i, which becomes token {@code results[i]}, has rank i. Of a pair that comes twice the later rank counts. */
    MergeTable(int[] lefts, int[] rights, int[] results) {
        this.lefts = lefts;
        this.rights = rights;
        int capacity = Math.max(16, Integer.highestOneBit(Math.max(1, lefts.length)) << 2);
        pairs = new long[capacity];
        merges = new long[capacity];
        mask = capacity - 1;
        Arrays.fill(pairs, FREE);
        for (int rank = 0; rank < lefts.length; rank++) {
            long pair = pair(lefts[rank], rights[rank]);
            int slot = slot(pair);
            pairs[slot] = pair;
            merges[slot] = (long) rank << 32 | results[rank];
        }
    }

    int size() {
        return lefts.length;
    }

    int left(int rank) {
        return lefts[rank];
    }

    int right(int rank) {
        return rights[rank];
    }

    /** The merge of two neighbours, or {@link #NONE}. */
    long find(int left, int right) {
        int slot = slot(pair(left, right));
        return pairs[slot] == FREE ? NONE : merges[slot];
    }

    /** Merges the first {@code count} of {@code symbols} in place. Returns how many are left. */
    int apply(int[] symbols, int count) {
        if (count < 2) {
            return count;
        }
        return count <= SCAN_LIMIT ? applyByScan(symbols, count) : applyByHeap(symbols, count);
    }

    private int applyByScan(int[] symbols, int count) {
        long[] pending = new long[count - 1];
        for (int i = 0; i < count - 1; i++) {
            pending[i] = find(symbols[i], symbols[i + 1]);
        }
        int n = count;
        while (n > 1) {
            int best = 0;
            for (int i = 1; i < n - 1; i++) {
                if (pending[i] < pending[best]) {
                    best = i;
                }
            }
            if (pending[best] == NONE) {
                break;
            }
            symbols[best] = (int) pending[best];
            System.arraycopy(symbols, best + 2, symbols, best + 1, n - best - 2);
            System.arraycopy(pending, best + 1, pending, best, n - best - 2);
            n--;
            if (best > 0) {
                pending[best - 1] = find(symbols[best - 1], symbols[best]);
            }
            if (best < n - 1) {
                pending[best] = find(symbols[best], symbols[best + 1]);
            }
        }
        return n;
    }

    /**
     * The same in O(n log n): symbols as a linked list, possible merges in a heap by rank and position. An entry of the
     * heap has expired if its position was merged away or is now the start of another pair.
     */
    private int applyByHeap(int[] symbols, int count) {
        long[] pending = new long[count];
        int[] next = new int[count];
        int[] previous = new int[count];
        LongHeap heap = new LongHeap(count);
        for (int i = 0; i < count; i++) {
            next[i] = i + 1;
            previous[i] = i - 1;
            pending[i] = i + 1 < count ? find(symbols[i], symbols[i + 1]) : NONE;
            if (pending[i] != NONE) {
                heap.append(pending[i] & 0xFFFFFFFF_00000000L | i);
            }
        }
        heap.build();
        while (!heap.isEmpty()) {
            long top = heap.removeLeast();
            int at = (int) top;
            if (pending[at] == NONE || pending[at] >>> 32 != top >>> 32) {
                continue;
            }
            symbols[at] = (int) pending[at];
            int gone = next[at];
            int after = next[gone];
            next[at] = after;
            pending[gone] = NONE;
            pending[at] = NONE;
            if (after < count) {
                previous[after] = at;
                pending[at] = find(symbols[at], symbols[after]);
                if (pending[at] != NONE) {
                    heap.add(pending[at] & 0xFFFFFFFF_00000000L | at);
                }
            }
            int before = previous[at];
            if (before >= 0) {
                pending[before] = find(symbols[before], symbols[at]);
                if (pending[before] != NONE) {
                    heap.add(pending[before] & 0xFFFFFFFF_00000000L | before);
                }
            }
        }
        int n = 0;
        for (int i = 0; i < count; i = next[i]) {
            symbols[n++] = symbols[i];
        }
        return n;
    }

    private int slot(long pair) {
        int slot = (int) ((pair * 0x9E3779B97F4A7C15L) >>> 32) & mask;
        while (pairs[slot] != FREE && pairs[slot] != pair) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }
}
