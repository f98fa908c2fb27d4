package io.quern.tensor.cpu;

import static jdk.incubator.vector.VectorOperators.L2I;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.XOR;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The random bits of {@link io.quern.tensor.Rng#bits}, 64 elements at a time. The 32-bit words of Philox live in lanes of
 * 64 bits, whose upper halves are left dirty until a product needs them clean.
 */
final class Philox {
    /** Elements that come from one vector of blocks. */
    static final int GROUP = 64;

    private static final VectorSpecies<Long> S =
            LongVector.SPECIES_PREFERRED.length() >= 2 ? LongVector.SPECIES_PREFERRED : LongVector.SPECIES_128;

    /** As many ints as there are lanes in S. */
    private static final VectorSpecies<Integer> WORDS =
            VectorSpecies.of(int.class, VectorShape.forBitSize(Math.max(64, S.vectorBitSize() / 2)));

    private static final long LOW = 0xFFFFFFFFL;
    private static final long M0 = 0xD2511F53L;
    private static final long M1 = 0xCD9E8D57L;
    private static final int W0 = 0x9E3779B9;
    private static final int W1 = 0xBB67AE85;

    private Philox() {}

    /** Sets 64 entries of {@code to} to the bits of elements 64 {@code group} to 64 {@code group} + 63. */
    private static void group(long seed, long stream, long group, int[] to, int at) {
        for (int lane = 0; lane < 16; lane += S.length()) {
            blocks(seed, stream, group * 16 + lane, to, at + lane);
        }
    }

    /** Words 0 to 3 of a vector of blocks go to {@code at}, {@code at + 16}, {@code at + 32} and {@code at + 48}. */
    private static void blocks(long seed, long stream, long block, int[] to, int at) {
        LongVector low = LongVector.broadcast(S, LOW);
        // Only where both factors are visibly masked does C2 multiply 32-bit numbers, twice as fast as 64-bit ones.
        LongVector m0 = LongVector.broadcast(S, M0).and(low);
        LongVector m1 = LongVector.broadcast(S, M1).and(low);
        LongVector c0 = LongVector.broadcast(S, block & LOW).addIndex(1);
        LongVector c1 = LongVector.broadcast(S, block >>> 32);
        LongVector c2 = LongVector.broadcast(S, stream & LOW);
        LongVector c3 = LongVector.broadcast(S, stream >>> 32);
        int k0 = (int) seed;
        int k1 = (int) (seed >>> 32);
        for (int round = 0; round < 10; round++) {
            LongVector p0 = c0.and(low).mul(m0);
            LongVector p1 = c2.and(low).mul(m1);
            c0 = p1.lanewise(LSHR, 32).lanewise(XOR, c1).lanewise(XOR, k0 & LOW);
            c2 = p0.lanewise(LSHR, 32).lanewise(XOR, c3).lanewise(XOR, k1 & LOW);
            c1 = p1;
            c3 = p0;
            k0 += W0;
            k1 += W1;
        }
        ((IntVector) c0.convertShape(L2I, WORDS, 0)).intoArray(to, at);
        ((IntVector) c1.convertShape(L2I, WORDS, 0)).intoArray(to, at + 16);
        ((IntVector) c2.convertShape(L2I, WORDS, 0)).intoArray(to, at + 32);
        ((IntVector) c3.convertShape(L2I, WORDS, 0)).intoArray(to, at + 48);
    }

    /** {@code toUniform(bits) < p} exactly where {@code bits >>> 8} is below this. */
    static int threshold(double p) {
        return (int) Math.ceil(p * 0x1p24);
    }

    /** Sets {@code count} entries of {@code to} to the bits of the elements from {@code first} on. */
    static void fill(long seed, long stream, long first, int count, int[] to, int at) {
        int done = 0;
        while (done < count) {
            long element = first + done;
            int skip = (int) (element & (GROUP - 1));
            int some = Math.min(GROUP - skip, count - done);
            if (some == GROUP) {
                group(seed, stream, element >>> 6, to, at + done);
            } else {
                int[] whole = new int[GROUP];
                group(seed, stream, element >>> 6, whole, 0);
                System.arraycopy(whole, skip, to, at + done, some);
            }
            done += some;
        }
    }
}
