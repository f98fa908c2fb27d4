package io.quern.cuda.driver;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * Threads of a block, for kernels whose threads treat elements alone and so work with any number: {@link Launch#each}. Sizes
 * that were measured are kept by kernel and number of elements. Guarded by the monitor of the device.
 */
public final class BlockSizes {
    /** Unless something else was measured to be faster. */
    public static final int USUAL = 256;

    /** Enough blocks to fill any card; beyond, threads take several elements. */
    public static final long MOST_BLOCKS = Long.getLong("quern.cuda.blocks", 1 << 14);

    private static final int LARGEST = 1 << 30;

    private final Map<Key, Integer> chosen = new HashMap<>();
    private Set<Key> met;
    private int forced;

    BlockSizes() {}

    /**
     * Launches that are expected to have the same best size.
     *
     * @param elements rounded up to a power of two
     */
    public record Key(String kernel, int elements) {
        static Key of(String kernel, long n) {
            return new Key(kernel, n >= LARGEST ? LARGEST : n <= 1 ? 1 : 2 * Integer.highestOneBit((int) n - 1));
        }

        /** Such as {@code unary_f32 of 1048576}. */
        public String describe() {
            return kernel + " of " + elements;
        }
    }

    /** The threads that a block of such a launch gets. */
    public int threads(String kernel, long n) {
        if (forced == 0 && met == null && chosen.isEmpty()) {
            return USUAL;
        }
        Key key = Key.of(kernel, n);
        if (met != null) {
            met.add(key);
        }
        return forced != 0 ? forced : chosen.getOrDefault(key, USUAL);
    }

    /** Takes {@code threads} for such launches from now on. */
    public void choose(Key key, int threads) {
        chosen.put(key, threads);
    }

    /** Takes {@code threads} for all launches, or with 0 what was chosen. */
    public void force(int threads) {
        forced = threads;
    }

    /** Begins to note which launches come. */
    public void watch() {
        met = new LinkedHashSet<>();
    }

    /** Ends it; those that came. */
    public Set<Key> met() {
        Set<Key> all = met;
        met = null;
        return all;
    }
}
