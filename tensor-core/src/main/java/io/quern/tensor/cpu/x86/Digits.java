package io.quern.tensor.cpu.x86;

import io.quern.tensor.DType;
import io.quern.tensor.TensorException;

/**
 * How rows of x lie for products of whole numbers with blocks of weights: in fixed point, each 32 numbers with a scale of
 * their own, the largest of them {@link #levels} units. A number is three signed digits of base 256, and digits of one
 * place lie together, so that {@code vpdpbusd} multiplies them by 64 weights at once. Sums of a block are exact; what is
 * lost is less than half of such a unit for each number: about 2<sup>-20</sup> to 2<sup>-24</sup> of the largest of 32.
 *
 * <p>A unit is 128 or 256 numbers: for each 128 the digits, by place and then vector, and where weights are stored too large a
 * vector of whole numbers that corrects the sums; then up to 16 floats, the scales first.
 *
 * @param elements numbers in a unit
 * @param corrections vectors of corrections for each 128 numbers: 0 or 1
 * @param levels the largest number in fixed point: neither digits nor sums in 32 bits overflow
 */
record Digits(DType type, int elements, int corrections, int levels) {
    /** Digits of a number. */
    static final int PLACES = 3;

    /** Numbers in a group. */
    static final int GROUP = 128;

    /** Numbers that share a scale. */
    static final int BLOCK = 32;

    private static final boolean USED =
            decide(System.getProperty("quern.cpu.activations", "auto")) && possible(MachineCode.features());

    /** Whether there is such a layout for a format. Blocks of Q8_0 are as fast in floats. */
    static boolean has(DType type) {
        return type == DType.Q4_0 || type == DType.Q4_K || type == DType.Q6_K;
    }

    /** The layout for a format that {@link #has} one. */
    static Digits of(DType type) {
        return switch (type) {
            // 16 times the lower nibbles' x less the upper ones' has 24 bits, see Q4DigitRows
            case Q4_0 -> new Digits(type, 128, 1, 491_500);
            case Q4_K -> new Digits(type, 256, 0, 1_118_000); // 8 products with up to 240 are below 2^31
            case Q6_K -> new Digits(type, 256, 1, 8_355_000); // three digits reach 127 * 0x010101; 8 products with 32
            default -> throw new IllegalArgumentException("no products in fixed point with " + type);
        };
    }

    /** Whether products take x in fixed point; the answer never changes. */
    static boolean areUsed() {
        return USED;
    }

    /** Whether this processor can: asked for null, where there is no machine code, it cannot. */
    static boolean possible(CpuFeatures features) {
        return features != null && features.vnni() && features.vbmi();
    }

    /** What the property {@code quern.cpu.activations} says: {@code auto} (fixed point where it can be) or {@code float}. */
    static boolean decide(String wish) {
        return switch (wish) {
            case "auto" -> true;
            case "float" -> false;
            default -> throw new TensorException("quern.cpu.activations is 'auto' or 'float', not '" + wish + "'");
        };
    }

    /** Groups in a unit. */
    int groups() {
        return elements / GROUP;
    }

    private int group(int group) {
        return group * (2 * 64 * PLACES + 64 * corrections);
    }

    /** Where the digits of a place (0 is the last one) lie that a vector of weights meets. */
    int digits(int group, int place, int vector) {
        return group(group) + 128 * place + 64 * vector;
    }

    /** Where the sums lie that products must be corrected by. */
    int correction(int group) {
        return group(group) + 2 * 64 * PLACES;
    }

    /** Where the floats lie. */
    int scales() {
        return group(groups());
    }

    /** Bytes of a unit. */
    int bytes() {
        return scales() + 64;
    }
}
