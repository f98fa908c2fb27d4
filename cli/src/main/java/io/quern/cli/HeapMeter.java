package io.quern.cli;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;

/** Counts what is allocated on the Java heap, by all threads, and the collections that it takes. */
final class HeapMeter {
    private static final com.sun.management.ThreadMXBean THREADS =
            (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

    private long bytes = THREADS.getTotalThreadAllocatedBytes();
    private long collections = count();

    /** Bytes since the meter was made or reset. */
    long bytes() {
        return THREADS.getTotalThreadAllocatedBytes() - bytes;
    }

    /** Collections since the meter was made or reset. */
    long collections() {
        return count() - collections;
    }

    void reset() {
        bytes = THREADS.getTotalThreadAllocatedBytes();
        collections = count();
    }

    private static long count() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount)
                .sum();
    }
}
