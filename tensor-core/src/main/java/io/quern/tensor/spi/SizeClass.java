package io.quern.tensor.spi;

/**
 * Buffers of one size in a pool.
 *
 * @param bytes of each
 * @param live how many are in use
 * @param cached how many are kept for reuse
 */
public record SizeClass(long bytes, int live, int cached) {}
