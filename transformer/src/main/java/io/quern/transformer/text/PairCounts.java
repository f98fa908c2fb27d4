package io.quern.transformer.text;

import java.util.Arrays;

/**
 * Counts of neighbouring symbols during training, the words that each pair is in, and the most frequent pair. Of pairs
 * with equal counts the one with the smaller left id, then the smaller right id comes first, as in Hugging Face
 * tokenizers.
 *
 * <p>Pairs are numbered as they appear. The heap is lazy: a pair is pushed when its count has grown, and an entry whose
 * count is out of date is put right when it comes to the top.
 */
final class PairCounts {
    private static final int NOT_FOUND = -1;

    private long[] keys = new long[1 << 12];
    private long[] counts = new long[1 << 12];
    private IntList[] words = new IntList[1 << 12];
    private int size;
    /** Pair numbers by hash of the key, -1 where free. */
    private int[] slots = new int[1 << 13];

    private long[] heapCounts = new long[1 << 12];
    private int[] heapPairs = new int[1 << 12];
    private int heapSize;

    PairCounts() {
        Arrays.fill(slots, NOT_FOUND);
    }

    int left(int pair) {
        return (int) (keys[pair] >>> 32);
    }

    int right(int pair) {
        return (int) keys[pair];
    }

    long count(int pair) {
        return counts[pair];
    }

    /** Adds to a pair's count because of a word that has the pair. Returns the pair. */
    int add(int left, int right, long amount, int word) {
        int pair = number((long) left << 32 | right);
        counts[pair] += amount;
        IntList list = words[pair];
        if (list == null) {
            list = new IntList(4);
            words[pair] = list;
        }
        if (list.size() == 0 || list.get(list.size() - 1) != word) {
            list.add(word);
        }
        return pair;
    }

    void subtract(int left, int right, long amount) {
        counts[number((long) left << 32 | right)] -= amount;
    }

    /** The words that may have the pair; a word may come twice or have lost it. */
    IntList wordsOf(int pair) {
        return words[pair];
    }

    /** Forgets a pair that has been merged everywhere. */
    void clear(int pair) {
        counts[pair] = 0;
        words[pair] = null;
    }

    /** Puts all pairs into the heap. */
    void pushAll() {
        for (int pair = 0; pair < size; pair++) {
            push(pair);
        }
    }

    void push(int pair) {
        if (counts[pair] <= 0) {
            return;
        }
        if (heapSize == heapPairs.length) {
            heapPairs = Arrays.copyOf(heapPairs, heapSize * 2);
            heapCounts = Arrays.copyOf(heapCounts, heapSize * 2);
        }
        int hole = heapSize++;
        long count = counts[pair];
        while (hole > 0) {
            int parent = hole - 1 >> 1;
            if (!before(count, pair, heapCounts[parent], heapPairs[parent])) {
                break;
            }
            set(hole, heapCounts[parent], heapPairs[parent]);
            hole = parent;
        }
        set(hole, count, pair);
    }

    /** Takes the most frequent pair from the heap, or gives -1 if no pair is left. */
    int removeMostFrequent() {
        while (heapSize > 0) {
            int pair = heapPairs[0];
            long count = heapCounts[0];
            heapSize--;
            if (heapSize > 0) {
                sink(heapCounts[heapSize], heapPairs[heapSize]);
            }
            if (count == counts[pair]) {
                return pair;
            }
            push(pair);
        }
        return NOT_FOUND;
    }

    private void sink(long count, int pair) {
        int hole = 0;
        int child = 1;
        while (child < heapSize) {
            if (child + 1 < heapSize
                    && before(heapCounts[child + 1], heapPairs[child + 1], heapCounts[child], heapPairs[child])) {
                child++;
            }
            if (!before(heapCounts[child], heapPairs[child], count, pair)) {
                break;
            }
            set(hole, heapCounts[child], heapPairs[child]);
            hole = child;
            child = 2 * hole + 1;
        }
        set(hole, count, pair);
    }

    private void set(int at, long count, int pair) {
        heapCounts[at] = count;
        heapPairs[at] = pair;
    }

    private boolean before(long count, int pair, long otherCount, int otherPair) {
        return count != otherCount ? count > otherCount : keys[pair] < keys[otherPair];
    }

    private int number(long key) {
        int slot = slot(key);
        if (slots[slot] != NOT_FOUND) {
            return slots[slot];
        }
        if (size == keys.length) {
            keys = Arrays.copyOf(keys, size * 2);
            counts = Arrays.copyOf(counts, size * 2);
            words = Arrays.copyOf(words, size * 2);
            slots = new int[size * 4];
            Arrays.fill(slots, NOT_FOUND);
            for (int pair = 0; pair < size; pair++) {
                slots[slot(keys[pair])] = pair;
            }
            slot = slot(key);
        }
        keys[size] = key;
        slots[slot] = size;
        return size++;
    }

    private int slot(long key) {
        int slot = (int) ((key * 0x9E3779B97F4A7C15L) >>> 32) & slots.length - 1;
        while (slots[slot] != NOT_FOUND && keys[slots[slot]] != key) {
            slot = slot + 1 & slots.length - 1;
        }
        return slot;
    }
}
