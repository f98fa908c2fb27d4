package io.quern.train.data;

import java.util.function.Supplier;

/**
 * Batches by number. The same number always gives the same batch, so resuming needs no hidden state but the number of
 * batches taken.
 *
 * @param <B> holds the tensors of a batch
 */
public interface Batches<B> {
    /** Batch {@code index}, counted from 0 without end; its tensors are born in the current scope. */
    B batch(long index);

    /**
     * Does the part of the work for batch {@code index} that needs no device; may be called on any thread. What is returned
     * makes the tensors, and is called on the thread and in the scope that use them.
     */
    default Supplier<B> prepare(long index) {
        return () -> batch(index);
    }

    /** Number of batches in one pass over the data, at least 1. */
    long perEpoch();

    /** How much a batch counts, for means over batches and for throughput: tokens, or samples. */
    long items(B batch);

    /**
     * What the data is, such as its size and a checksum, so that a resumed run can tell whether it is still the same; not
     * how it is cut into batches. Empty if unknown.
     */
    default String fingerprint() {
        return "";
    }

    /** What {@link #items} counts, such as {@code tok}. */
    String unit();
}
