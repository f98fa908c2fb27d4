package io.quern.tensor.quant;

import io.quern.tensor.DType;
import java.util.Objects;

/**
 * Turns rows of floats into blocks and back, on heap arrays. All bytes are little-endian. Deterministic: the same floats
 * give the same bytes everywhere.
 *
 * <p>A block with a number that is not finite, or too large for its scale in binary16, becomes NaN or infinite as a
 * whole: it never turns into ordinary numbers.
 */
public final class Blocks {
    private Blocks() {}

    /**
     * Rounds {@code count} floats, whole blocks, into {@code type}.
     *
     * @param type a quantised type
     * @param from holds the floats from index {@code at} on
     * @param to takes {@code type.bytes(count)} bytes from index {@code toAt} on
     */
    public static void quantize(DType type, float[] from, int at, int count, byte[] to, int toAt) {
        check(type, count, from.length, at, to.length, toAt);
        int size = type.blockSize();
        for (int b = 0; b * size < count; b++) {
            int i = at + b * size;
            int o = toAt + b * type.blockBytes();
            switch (type) {
                case Q8_0 -> Q8Block.quantize(from, i, to, o);
                case Q4_0 -> Q4Block.quantize(from, i, to, o);
                case Q4_K -> Q4SuperBlock.quantize(from, i, to, o);
                case Q6_K -> Q6SuperBlock.quantize(from, i, to, o);
                default -> throw notQuantized(type);
            }
        }
    }

    /**
     * The floats that {@code count} numbers in blocks stand for.
     *
     * @param type a quantised type
     * @param from holds {@code type.bytes(count)} bytes from index {@code at} on
     * @param to takes the floats from index {@code toAt} on
     */
    public static void dequantize(DType type, byte[] from, int at, int count, float[] to, int toAt) {
        check(type, count, to.length, toAt, from.length, at);
        int size = type.blockSize();
        for (int b = 0; b * size < count; b++) {
            int i = at + b * type.blockBytes();
            int o = toAt + b * size;
            switch (type) {
                case Q8_0 -> Q8Block.dequantize(from, i, to, o);
                case Q4_0 -> Q4Block.dequantize(from, i, to, o);
                case Q4_K -> Q4SuperBlock.dequantize(from, i, to, o);
                case Q6_K -> Q6SuperBlock.dequantize(from, i, to, o);
                default -> throw notQuantized(type);
            }
        }
    }

    private static void check(DType type, int count, int floats, int floatsAt, int bytes, int bytesAt) {
        if (!type.isQuantized()) {
            throw notQuantized(type);
        }
        int size = Math.toIntExact(type.bytes(count));
        Objects.checkFromIndexSize(floatsAt, count, floats);
        Objects.checkFromIndexSize(bytesAt, size, bytes);
    }

    private static IllegalArgumentException notQuantized(DType type) {
        return new IllegalArgumentException(type + " has no blocks: it is not a quantised type");
    }

    static float half(byte[] b, int at) {
        return Float.float16ToFloat((short) (b[at] & 0xFF | b[at + 1] << 8));
    }

    static void half(byte[] b, int at, float value) {
        short bits = Float.floatToFloat16(value);
        b[at] = (byte) bits;
        b[at + 1] = (byte) (bits >> 8);
    }

    /** The number of largest size of some, with its sign; NaN if there is one. */
    static float extreme(float[] x, int at, int n) {
        float largest = 0;
        float extreme = 0;
        for (int i = at; i < at + n; i++) {
            float size = Math.abs(x[i]);
            if (!(size <= largest)) {
                if (Float.isNaN(size)) {
                    return Float.NaN;
                }
                largest = size;
                extreme = x[i];
            }
        }
        return extreme;
    }
}
