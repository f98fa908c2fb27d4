package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Reads stretches of matrices off-heap into heap arrays, widening 16-bit formats to f32 (exactly) on the way. */
final class GemmLoad {
    /** The widest vectors of this machine; 128-bit ones where it reports none to speak of. */
    static final VectorSpecies<Float> F =
            FloatVector.SPECIES_PREFERRED.length() >= 4 ? FloatVector.SPECIES_PREFERRED : FloatVector.SPECIES_128;

    private static final VectorSpecies<Integer> I = F.withLanes(int.class).check(int.class);
    private static final VectorSpecies<Short> H =
            VectorSpecies.of(short.class, VectorShape.forBitSize(F.vectorBitSize() / 2));
    private static final int L = F.length();

    private GemmLoad() {}

    /** Reads {@code count} adjacent elements. */
    static void row(DType type, long address, int count, float[] to, int at) {
        switch (type) {
            case BF16 -> bf16(address, count, to, at);
            case F16 -> f16(address, count, to, at);
            default -> OffHeap.read(address, to, at, count);
        }
    }

    private static void bf16(long address, int count, float[] to, int at) {
        int i = 0;
        for (; i <= count - L; i += L) {
            bf16(address + 2L * i).intoArray(to, at + i);
        }
        for (; i < count; i++) {
            to[at + i] = Float.intBitsToFloat(OffHeap.getShort(address + 2L * i) << 16);
        }
    }

    private static void f16(long address, int count, float[] to, int at) {
        Dequantizer wide = Dequantizer.take();
        wide.rows(DType.F16, address, 0, 1, 0, count, to, at, count);
        Dequantizer.give(wide);
    }

    /** A loop over heap arrays, which the compiler turns into the processor's conversions. */
    static void widen(short[] words, int from, int count, float[] to, int at) {
        for (int i = 0; i < count; i++) {
            to[at + i] = Float.float16ToFloat(words[from + i]);
        }
    }

    /** A vector of bf16 numbers: the upper halves of f32 ones. */
    static FloatVector bf16(long address) {
        return words(address).lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static IntVector words(long address) {
        return (IntVector) ShortVector.fromMemorySegment(H, OffHeap.ALL, address, OffHeap.ORDER)
                .convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
    }
}
