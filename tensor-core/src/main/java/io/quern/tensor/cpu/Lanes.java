package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vectors that the kernels compute in, and how they come from and go to off-heap memory.
 *
 * <p>Kernels end a row with one masked vector instead of a scalar loop, so that an element's result does not depend on
 * where in the row it stands. For the same reason they add up lanes with {@link #sum}: the order in which
 * {@code reduceLanes} adds floats differs between the interpreter and the compilers.
 */
final class Lanes {
    /** The widest vectors of this machine; 128-bit ones where it reports none to speak of. */
    static final VectorSpecies<Float> F =
            FloatVector.SPECIES_PREFERRED.length() >= 4 ? FloatVector.SPECIES_PREFERRED : FloatVector.SPECIES_128;

    static final VectorSpecies<Integer> I = F.withLanes(int.class).check(int.class);

    /** Numbers in a vector. */
    static final int L = F.length();

    private static final VectorShuffle<Float> SWAP8 = swap(8);
    private static final VectorShuffle<Float> SWAP4 = swap(4);
    private static final VectorShuffle<Float> SWAP2 = swap(2);
    private static final VectorShuffle<Float> SWAP1 = swap(1);

    private Lanes() {}

    private static VectorShuffle<Float> swap(int distance) {
        return VectorShuffle.fromOp(F, i -> (i ^ distance) & (F.length() - 1));
    }

    static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(F, OffHeap.ALL, address, OffHeap.ORDER);
    }

    /** The lanes of the mask; zeros elsewhere. */
    static FloatVector load(long address, VectorMask<Float> mask) {
        return FloatVector.fromMemorySegment(F, OffHeap.ALL, address, OffHeap.ORDER, mask);
    }

    static void store(FloatVector v, long address) {
        v.intoMemorySegment(OffHeap.ALL, address, OffHeap.ORDER);
    }

    static void store(FloatVector v, long address, VectorMask<Float> mask) {
        v.intoMemorySegment(OffHeap.ALL, address, OffHeap.ORDER, mask);
    }

    static IntVector loadInts(long address) {
        return IntVector.fromMemorySegment(I, OffHeap.ALL, address, OffHeap.ORDER);
    }

    static IntVector loadInts(long address, VectorMask<Integer> mask) {
        return IntVector.fromMemorySegment(I, OffHeap.ALL, address, OffHeap.ORDER, mask);
    }

    static void store(IntVector v, long address) {
        v.intoMemorySegment(OffHeap.ALL, address, OffHeap.ORDER);
    }

    static void store(IntVector v, long address, VectorMask<Integer> mask) {
        v.intoMemorySegment(OffHeap.ALL, address, OffHeap.ORDER, mask);
    }

    static FloatVector broadcast(float x) {
        return FloatVector.broadcast(F, x);
    }

    /** The first {@code n} lanes; all of them if there are fewer. */
    static VectorMask<Float> first(int n) {
        return F.indexInRange(0, n);
    }

    /** The first {@code n} lanes; all of them if there are fewer. */
    static VectorMask<Integer> firstInts(int n) {
        return I.indexInRange(0, n);
    }

    /** The sum of the lanes, always added in the same order. */
    static float sum(FloatVector v) {
        if (L > 8) {
            v = v.add(v.rearrange(SWAP8));
        }
        if (L > 4) {
            v = v.add(v.rearrange(SWAP4));
        }
        v = v.add(v.rearrange(SWAP2));
        return v.add(v.rearrange(SWAP1)).lane(0);
    }
}
