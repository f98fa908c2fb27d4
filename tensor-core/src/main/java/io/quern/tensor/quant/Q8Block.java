package io.quern.tensor.quant;

/** Q8_0: a scale d in binary16, then 32 signed bytes q; x = d q. */
final class Q8Block {
    private static final int SIZE = 32;

    private Q8Block() {}

    static void dequantize(byte[] b, int at, float[] x, int to) {
        float d = Blocks.half(b, at);
        for (int i = 0; i < SIZE; i++) {
            x[to + i] = d * b[at + 2 + i];
        }
    }

    /** The largest number becomes 127 or -127. */
    static void quantize(float[] x, int at, byte[] b, int to) {
        float d = Math.abs(Blocks.extreme(x, at, SIZE)) / 127;
        float inverse = d == 0 ? 0 : 1 / d;
        Blocks.half(b, to, d);
        for (int i = 0; i < SIZE; i++) {
            double q = x[at + i] * inverse;
            b[to + 2 + i] = (byte) (q + Math.copySign(0.5, q)); // halves away from zero
        }
    }
}
