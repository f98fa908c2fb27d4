package io.quern.tensor.quant;

/**
 * Q4_K: 256 numbers of 4 bits in 8 sub-blocks of 32. The scales d and e in binary16, 12 bytes with 8 scales s and 8
 * minima m of 6 bits, 128 bytes of numbers; x = d s q - e m.
 *
 * <p>Scales 0 to 3 are the lower six bits of bytes 0 to 3, minima 0 to 3 those of bytes 4 to 7. Bytes 8 to 11 have the
 * lower four bits of scales and minima 4 to 7; their upper two are the upper bits of bytes 0 to 3 and 4 to 7. Sub-blocks
 * 2i and 2i + 1 share 32 bytes: the lower and the upper four bits.
 */
final class Q4SuperBlock {
    private static final int SUB = 32;
    private static final int SUBS = 8;
    private static final int SCALES = 4;
    private static final int NUMBERS = 16;

    /** How many widths of a step are tried. */
    private static final int TRIES = 21;

    private Q4SuperBlock() {}

    static void dequantize(byte[] b, int at, float[] x, int to) {
        float d = Blocks.half(b, at);
        float e = Blocks.half(b, at + 2);
        for (int s = 0; s < SUBS; s++) {
            float step = d * scale(b, at + SCALES, s);
            float min = e * min(b, at + SCALES, s);
            int numbers = at + NUMBERS + SUB * (s / 2);
            for (int i = 0; i < SUB; i++) {
                x[to + SUB * s + i] = step * (b[numbers + i] >> 4 * (s & 1) & 15) - min;
            }
        }
    }

    private static int scale(byte[] b, int at, int s) {
        return s < 4 ? b[at + s] & 63 : b[at + s + 4] & 15 | b[at + s - 4] >> 2 & 48;
    }

    private static int min(byte[] b, int at, int s) {
        return s < 4 ? b[at + s + 4] & 63 : b[at + s + 4] >> 4 & 15 | b[at + s] >> 2 & 48;
    }

    private static void put(byte[] b, int at, int s, int scale, int min) {
        if (s < 4) {
            b[at + s] |= (byte) scale;
            b[at + s + 4] |= (byte) min;
        } else {
            b[at + s + 4] |= (byte) (scale & 15 | min << 4);
            b[at + s - 4] |= (byte) (scale >> 4 << 6);
            b[at + s] |= (byte) (min >> 4 << 6);
        }
    }

    static void quantize(float[] x, int at, byte[] b, int to) {
        float[] scales = new float[SUBS];
        float[] mins = new float[SUBS];
        float largestScale = 0;
        float largestMin = 0;
        for (int s = 0; s < SUBS; s++) {
            fit(x, at + SUB * s, s, scales, mins);
            largestScale = Math.max(largestScale, scales[s]);
            largestMin = Math.max(largestMin, mins[s]);
        }
        java.util.Arrays.fill(b, to, to + NUMBERS + SUB * SUBS / 2, (byte) 0);
        Blocks.half(b, to, largestScale / 63);
        Blocks.half(b, to + 2, largestMin / 63);
        float d = Blocks.half(b, to);
        float e = Blocks.half(b, to + 2);
        float inverseScale = largestScale > 0 ? 63 / largestScale : 0;
        float inverseMin = largestMin > 0 ? 63 / largestMin : 0;
        for (int s = 0; s < SUBS; s++) {
            int scale = Math.min(63, (int) Math.rint(inverseScale * scales[s]));
            int m = Math.min(63, (int) Math.rint(inverseMin * mins[s]));
            put(b, to + SCALES, s, scale, m);
            float step = d * scale;
            float min = e * m;
            for (int i = 0; i < SUB; i++) {
                int q = step == 0 ? 0 : (int) Math.rint((x[at + SUB * s + i] + min) / step);
                b[to + NUMBERS + SUB * (s / 2) + i] |= (byte) (Math.clamp(q, 0, 15) << 4 * (s & 1));
            }
        }
    }

    /**
     * Scale and minimum (as its negative) of a sub-block, x = scale q - min, by weighted least squares for the levels q
     * that steps of several widths give; the weight of a number is its size plus the root mean square.
     */
    private static void fit(float[] x, int at, int s, float[] scales, float[] mins) {
        float least = x[at];
        float most = x[at];
        float squares = 0;
        for (int i = at; i < at + SUB; i++) {
            squares += x[i] * x[i];
            least = Math.min(least, x[i]);
            most = Math.max(most, x[i]);
        }
        if (!Float.isFinite(least) || !Float.isFinite(most)) {
            scales[s] = Float.NaN;
            mins[s] = Float.NaN;
            return;
        }
        least = Math.min(least, 0);
        if (most == least) {
            scales[s] = 0;
            mins[s] = -least;
            return;
        }
        float[] weights = new float[SUB];
        float rms = (float) Math.sqrt(squares / SUB);
        float sumW = 0;
        float sumX = 0;
        for (int i = 0; i < SUB; i++) {
            weights[i] = rms + Math.abs(x[at + i]);
            sumW += weights[i];
            sumX += weights[i] * x[at + i];
        }
        float width = most - least;
        float scale = 1 / (15 / width);
        float min = least;
        float best = error(x, at, weights, 15 / width, least, scale, min);
        for (int n = 0; n < TRIES; n++) {
            float inverse = (-1 + 0.1f * n + 15) / width;
            float sumQ = 0;
            float sumQq = 0;
            float sumXq = 0;
            for (int i = 0; i < SUB; i++) {
                int q = level(x[at + i], inverse, least);
                float w = weights[i];
                sumQ += w * q;
                sumQq += w * q * q;
                sumXq += w * q * x[at + i];
            }
            float det = sumW * sumQq - sumQ * sumQ;
            if (det > 0) {
                float trialScale = (sumW * sumXq - sumX * sumQ) / det;
                float trialMin = (sumQq * sumX - sumQ * sumXq) / det;
                if (trialMin > 0) {
                    trialMin = 0;
                    trialScale = sumXq / sumQq;
                }
                float error = error(x, at, weights, inverse, least, trialScale, trialMin);
                if (error < best) {
                    best = error;
                    scale = trialScale;
                    min = trialMin;
                }
            }
        }
        scales[s] = scale;
        mins[s] = -min;
    }

    private static int level(float x, float inverse, float least) {
        return Math.clamp((int) Math.rint(inverse * (x - least)), 0, 15);
    }

    /** Weighted squared error of scale q + min, with the levels q from {@code least} in steps of 1 / inverse. */
    private static float error(float[] x, int at, float[] weights, float inverse, float least, float scale, float min) {
        float sum = 0;
        for (int i = 0; i < SUB; i++) {
            float diff = scale * level(x[at + i], inverse, least) + min - x[at + i];
            sum += weights[i] * diff * diff;
        }
        return sum;
    }
}
