package io.quern.train.data;

import io.quern.tensor.Rng;

/**
 * A random permutation of 0 to n - 1 that is computed element by element, without memory: a Feistel network on the next
 * even number of bits, walked until it lands below n (at most 4 rounds of the walk on average). Source: Black and
 * Rogaway, "Ciphers with arbitrary finite domains" (2002).
 */
final class Permutation {
    private static final int ROUNDS = 8;

    private final long size;
    private final long seed;
    private final long stream;
    private final int halfBits;

    Permutation(long size, long seed, long stream) {
        this.size = size;
        this.seed = seed;
        this.stream = stream;
        int bits = 64 - Long.numberOfLeadingZeros(Math.max(1, size - 1));
        this.halfBits = (bits + 1) / 2;
    }

    long at(long index) {
        long x = index;
        do {
            x = encrypt(x);
        } while (x >= size);
        return x;
    }

    private long encrypt(long x) {
        long mask = (1L << halfBits) - 1;
        long left = x >>> halfBits;
        long right = x & mask;
        for (int round = 0; round < ROUNDS; round++) {
            // Each half and round reads its own number of the stream; halves have 31 bits at most.
            long next = left ^ Rng.bits(seed, stream, right * ROUNDS + round) & mask;
            left = right;
            right = next;
        }
        return left << halfBits | right;
    }
}
