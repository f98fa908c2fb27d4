package io.quern.tensor.cpu.x86;

/**
 * A vector register, and as a destination how it is masked.
 *
 * @param bits 128, 256 or 512 (xmm, ymm or zmm)
 * @param mask number of the mask register; 0 for all lanes
 * @param zeroing whether lanes out of the mask become 0, instead of staying as they are
 */
public record Vec(int number, int bits, int mask, boolean zeroing) implements Operand {
    public Vec {
        if (number < 0 || number > 31) {
            throw new IllegalArgumentException("vector registers are 0 to 31, found " + number);
        }
        if (mask < 0 || mask > 7 || zeroing && mask == 0) {
            throw new IllegalArgumentException("a vector is masked by one of k1 to k7, found k" + mask);
        }
    }

    public static Vec xmm(int number) {
        return new Vec(number, 128, 0, false);
    }

    public static Vec ymm(int number) {
        return new Vec(number, 256, 0, false);
    }

    public static Vec zmm(int number) {
        return new Vec(number, 512, 0, false);
    }

    /** The lower 128 bits of the same register. */
    public Vec x() {
        return xmm(number);
    }

    /** The lower 256 bits of the same register. */
    public Vec y() {
        return ymm(number);
    }

    /** As a destination of which only the lanes in the mask change; as a source for memory, the lanes to be stored. */
    public Vec merging(Mask k) {
        return new Vec(number, bits, k.number(), false);
    }

    /** As a destination of which the lanes out of the mask become 0. */
    public Vec zeroing(Mask k) {
        return new Vec(number, bits, k.number(), true);
    }

    @Override
    public String toString() {
        String name = (bits == 512 ? "zmm" : bits == 256 ? "ymm" : "xmm") + number;
        return mask == 0 ? name : name + "{k" + mask + (zeroing ? "}{z}" : "}");
    }
}
