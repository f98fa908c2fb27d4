package io.quern.tensor.cpu;

import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The random bits of {@link io.quern.tensor.Rng#bits}, 64 elements at a time. The 32-bit words of Philox live in lanes of
 * 64 bits, whose upper halves are left dirty until a product needs them clean.
 */
final class Philox {
    /** Elements that one call makes. */
    static final int GROUP = 64;

    private static final VectorSpecies<Long> S =
            LongVector.SPECIES_PREFERRED.length() >= 2 ? LongVector.SPECIES_PREFERRED : LongVector.SPECIES_128;
    private static final long LOW = 0xFFFFFFFFL;
    private static final long M0 = 0xD2511F53L;
    private static final long M1 = 0xCD9E8D57L;
    private static final int W0 = 0x9E3779B9;
    private static final int W1 = 0xBB67AE85;

    private Philox() {}

    /** Sets the first 64 entries of {@code to} to the bits of elements 64 {@code group} to 64 {@code group} + 63. */
    static void bits(long seed, long stream, long group, long[] to) {
        for (int lane = 0; lane < 16; lane += S.length()) {
            blocks(seed, stream, group * 16 + lane, to, lane);
        }
    }

    /** Words 0 to 3 of a vector of blocks go to {@code at}, {@code at + 16}, {@code at + 32} and {@code at + 48}. */
    private static void blocks(long seed, long stream, long block, long[] to, int at) {
        LongVector c0 = LongVector.broadcast(S, block & LOW).addIndex(1);
        LongVector c1 = LongVector.broadcast(S, block >>> 32);
        LongVector c2 = LongVector.broadcast(S, stream & LOW);
        LongVector c3 = LongVector.broadcast(S, stream >>> 32);
        int k0 = (int) seed;
        int k1 = (int) (seed >>> 32);
        for (int round = 0; round < 10; round++) {
            LongVector p0 = c0.and(LOW).mul(M0);
            LongVector p1 = c2.and(LOW).mul(M1);
            c0 = p1.lanewise(VectorOperators.LSHR, 32).lanewise(VectorOperators.XOR, c1).lanewise(VectorOperators.XOR, k0 & LOW);
            c2 = p0.lanewise(VectorOperators.LSHR, 32).lanewise(VectorOperators.XOR, c3).lanewise(VectorOperators.XOR, k1 & LOW);
            c1 = p1;
            c3 = p0;
            k0 += W0;
            k1 += W1;
        }
        c0.and(LOW).intoArray(to, at);
        c1.and(LOW).intoArray(to, at + 16);
        c2.and(LOW).intoArray(to, at + 32);
        c3.and(LOW).intoArray(to, at + 48);
    }

    /** {@code toUniform(bits) < p} exactly where {@code bits >>> 8} is below this. */
    static int threshold(double p) {
        return (int) Math.ceil(p * 0x1p24);
    }

    /** Sets {@code count} entries of {@code to} to the bits of the elements from {@code first} on. */
    static void fill(long seed, long stream, long first, int count, int[] to, int at) {
        long[] bits = new long[GROUP];
        int done = 0;
        while (done < count) {
            long element = first + done;
            int skip = (int) (element & (GROUP - 1));
            int some = Math.min(GROUP - skip, count - done);
            bits(seed, stream, element / GROUP, bits);
            for (int i = 0; i < some; i++) {
                to[at + done + i] = (int) bits[skip + i];
            }
            done += some;
        }
    }
}
