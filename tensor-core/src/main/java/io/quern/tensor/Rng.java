package io.quern.tensor;

import java.nio.charset.StandardCharsets;

/**
 * Counter-based random numbers, Philox4x32-10: the same numbers on every device, for any number of threads, and from any
 * position. Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 *
 * <p>An instance is a stream with a position, for weights and sampling; {@link #bits} is the stateless form that kernels
 * use. Elements are laid out so that vector kernels of 16 lanes need no shuffles: element {@code i} of a stream is word
 * {@code (i / 16) % 4} of block {@code (i / 64) * 16 + i % 16}.
 */
public final class Rng {
    private static final int M0 = 0xD2511F53;
    private static final int M1 = 0xCD9E8D57;
    private static final int W0 = 0x9E3779B9;
    private static final int W1 = 0xBB67AE85;

    private final long seed;
    private final long stream;
    private long position;

    public Rng(long seed) {
        this(seed, 0);
    }

    /** An independent stream of the same seed. */
    public Rng(long seed, long stream) {
        this.seed = seed;
        this.stream = stream;
    }

    /**
     * The stream of a name, such as a parameter's path: then numbers do not depend on the order in which streams are
     * opened. Negative, so that it meets no counted stream. FNV-1a, 64 bits.
     */
    public static long stream(String name) {
        long hash = 0xCBF29CE484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ (b & 0xFF)) * 0x100000001B3L;
        }
        return hash | Long.MIN_VALUE;
    }

    /** 32 random bits: element {@code index} of the given stream. */
    public static int bits(long seed, long stream, long index) {
        long block = (index >>> 6) * 16 + (index & 15);
        return word(seed, stream, block, (int) (index >>> 4) & 3);
    }

    /** A uniform number in [0, 1) with 24 random bits, from {@link #bits}. */
    public static float toUniform(int bits) {
        return (bits >>> 8) * 0x1p-24f;
    }

    private static int word(long seed, long stream, long block, int word) {
        int c0 = (int) block;
        int c1 = (int) (block >>> 32);
        int c2 = (int) stream;
        int c3 = (int) (stream >>> 32);
        int k0 = (int) seed;
        int k1 = (int) (seed >>> 32);
        for (int round = 0; round < 10; round++) {
            long p0 = (M0 & 0xFFFFFFFFL) * (c0 & 0xFFFFFFFFL);
            long p1 = (M1 & 0xFFFFFFFFL) * (c2 & 0xFFFFFFFFL);
            int n0 = (int) (p1 >>> 32) ^ c1 ^ k0;
            int n2 = (int) (p0 >>> 32) ^ c3 ^ k1;
            c1 = (int) p1;
            c3 = (int) p0;
            c0 = n0;
            c2 = n2;
            k0 += W0;
            k1 += W1;
        }
        return switch (word) {
            case 0 -> c0;
            case 1 -> c1;
            case 2 -> c2;
            default -> c3;
        };
    }

    /** How many numbers were drawn; with the seed and the stream, the whole state. */
    public long position() {
        return position;
    }

    /** Moves to a position saved earlier. */
    public void seek(long position) {
        this.position = position;
    }

    public long seed() {
        return seed;
    }

    /** 32 random bits. */
    public int nextInt() {
        return bits(seed, stream, position++);
    }

    /** 64 random bits. */
    public long nextLong() {
        return (long) nextInt() << 32 | (nextInt() & 0xFFFFFFFFL);
    }

    /** A uniform integer in [0, bound), without bias (Lemire's rejection). */
    public int nextInt(int bound) {
        if (bound <= 0) {
            throw new IllegalArgumentException("bound must be positive, not " + bound);
        }
        long product = (nextInt() & 0xFFFFFFFFL) * bound;
        if ((product & 0xFFFFFFFFL) < bound) {
            long threshold = (0x100000000L - bound) % bound;
            while ((product & 0xFFFFFFFFL) < threshold) {
                product = (nextInt() & 0xFFFFFFFFL) * bound;
            }
        }
        return (int) (product >>> 32);
    }

    /** A uniform number in [0, 1) with 53 random bits. */
    public double nextDouble() {
        return (nextLong() >>> 11) * 0x1p-53;
    }

    /** A uniform number in [0, 1) with 24 random bits. */
    public float nextFloat() {
        return toUniform(nextInt());
    }

    /** A standard normal number (Box-Muller; StrictMath, so the same bits everywhere). */
    public double nextGaussian() {
        double u = 1.0 - nextDouble();
        double v = nextDouble();
        return StrictMath.sqrt(-2.0 * StrictMath.log(u)) * StrictMath.cos(2.0 * StrictMath.PI * v);
    }
}
