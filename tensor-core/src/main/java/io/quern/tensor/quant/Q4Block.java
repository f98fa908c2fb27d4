package io.quern.tensor.quant;

/**
 * Q4_0: a scale d in binary16, then 16 bytes, each with number i in its lower four bits and number i + 16 in its upper
 * ones; x = d (q - 8).
 */
final class Q4Block {
    private static final int SIZE = 32;
    private static final int HALF = SIZE / 2;

    private Q4Block() {}

    static void dequantize(byte[] b, int at, float[] x, int to) {
        float d = Blocks.half(b, at);
        for (int i = 0; i < HALF; i++) {
            int q = b[at + 2 + i];
            x[to + i] = d * ((q & 15) - 8);
            x[to + HALF + i] = d * ((q >> 4 & 15) - 8);
        }
    }

    /** The number of largest size becomes 0, which stands for -8: d has the sign that takes. */
    static void quantize(float[] x, int at, byte[] b, int to) {
        float d = Blocks.extreme(x, at, SIZE) / -8;
        float inverse = d == 0 ? 0 : 1 / d;
        Blocks.half(b, to, d);
        for (int i = 0; i < HALF; i++) {
            b[to + 2 + i] = (byte) (nibble(x[at + i], inverse) | nibble(x[at + HALF + i], inverse) << 4);
        }
    }

    private static int nibble(float x, float inverse) {
        return Math.min(15, (int) (x * inverse + 8.5f));
    }
}
