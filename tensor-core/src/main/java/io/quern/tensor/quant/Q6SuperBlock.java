package io.quern.tensor.quant;

/**
 * Q6_K: 256 numbers of 6 bits in 16 sub-blocks of 16. 128 bytes with the lower four bits, 64 bytes with the upper two, 16
 * signed bytes with the scales s of the sub-blocks, and their scale d in binary16; x = d s (q - 32).
 *
 * <p>Either half of 128 numbers is cut into four runs of 32: the lower bits of runs 0 and 2 share bytes, as do those of
 * 1 and 3; the upper bits of all four share one byte.
 */
final class Q6SuperBlock {
    private static final int SIZE = 256;
    private static final int SUB = 16;
    private static final int HIGH = 128;
    private static final int SCALES = 192;
    private static final int SCALE = 208;

    /** Sub-blocks whose numbers are all smaller are zero. */
    private static final float TINY = 1e-15f;

    private Q6SuperBlock() {}

    static void dequantize(byte[] b, int at, float[] x, int to) {
        float d = Blocks.half(b, at + SCALE);
        for (int half = 0; half < 2; half++) {
            int low = at + 64 * half;
            int high = at + HIGH + 32 * half;
            for (int run = 0; run < 4; run++) {
                int scales = at + SCALES + 8 * half + 2 * run;
                int out = to + 128 * half + 32 * run;
                for (int i = 0; i < 32; i++) {
                    int lower = b[low + 32 * (run & 1) + i] >> 4 * (run >> 1) & 15;
                    int upper = b[high + i] >> 2 * run & 3;
                    x[out + i] = d * b[scales + i / SUB] * ((upper << 4 | lower) - 32);
                }
            }
        }
    }

    static void quantize(float[] x, int at, byte[] b, int to) {
        float[] scales = new float[SIZE / SUB];
        for (int s = 0; s < scales.length; s++) {
            scales[s] = scale(x, at + SUB * s);
        }
        float extreme = Blocks.extreme(scales, 0, scales.length);
        java.util.Arrays.fill(b, to, to + SCALE + 2, (byte) 0);
        if (Math.abs(extreme) < TINY) {
            return;
        }
        float inverse = -128 / extreme;
        Blocks.half(b, to + SCALE, 1 / inverse);
        float d = Blocks.half(b, to + SCALE);
        for (int s = 0; s < scales.length; s++) {
            int level = Math.min(127, (int) Math.rint(inverse * scales[s]));
            b[to + SCALES + s] = (byte) level;
            float step = d * level;
            for (int i = SUB * s; i < SUB * s + SUB; i++) {
                int q = step == 0 ? 0 : (int) Math.rint(x[at + i] / step);
                put(b, to, i, Math.clamp(q, -32, 31) + 32);
            }
        }
    }

    private static void put(byte[] b, int to, int i, int q) {
        int half = i / 128;
        int run = i % 128 / 32;
        b[to + 64 * half + 32 * (run & 1) + i % 32] |= (byte) ((q & 15) << 4 * (run >> 1));
        b[to + HIGH + 32 * half + i % 32] |= (byte) (q >> 4 << 2 * run);
    }

    /**
     * The scale of a sub-block with the least squared error, weighted by the squares of the numbers, among 19 starting
     * points: for given levels q it is sum(w x q) / sum(w q q).
     */
    private static float scale(float[] x, int at) {
        float extreme = Blocks.extreme(x, at, SUB);
        if (Math.abs(extreme) < TINY) {
            return 0;
        }
        if (!Float.isFinite(extreme)) {
            return Float.NaN;
        }
        float scale = 0;
        float best = 0;
        for (int n = 0; n < 19; n++) {
            int step = n == 0 ? 0 : n <= 9 ? n - 10 : n - 9; // 0, then -9 to -1, then 1 to 9
            float inverse = -(32 + 0.1f * step) / extreme;
            float xq = 0;
            float qq = 0;
            for (int i = at; i < at + SUB; i++) {
                int q = Math.clamp((int) Math.rint(inverse * x[i]), -32, 31);
                float w = x[i] * x[i];
                xq += w * x[i] * q;
                qq += w * q * q;
            }
            if (qq > 0 && (n == 0 || xq * xq > best * qq)) {
                scale = xq / qq;
                best = scale * xq;
            }
        }
        return scale;
    }
}
