package io.quern.tensor.spi;

/**
 * Memory counters of a device, in bytes.
 *
 * @param live held by buffers now
 * @param peak the largest {@code live} since the start or the last reset
 * @param reserved obtained from the system, free blocks of the pool included
 * @param buffers number of live buffers
 * @param systemAllocations how many times memory was obtained from the system
 */
public record MemoryStats(long live, long peak, long reserved, long buffers, long systemAllocations) {}
