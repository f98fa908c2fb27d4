package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

/** Errors over the whole range of floats, against float64. The step is odd, so that all exponents and patterns occur. */
class VectorMathTest {
    private static final int STEP = 20011;

    /** A function of a block, in place. */
    private interface Block {
        void apply(float[] x, int n);
    }

    private static final Block EXP_BOUNDED = (x, n) -> VectorMath.expSum(x, 0, n, 0);
    private static final Block SIGMOID = (x, n) -> VectorMath.sigmoid(x, new float[n], n);
    private static final Block NORMAL_CDF = (x, n) -> VectorMath.normalCdf(x.clone(), x, n);

    private static float one(Block f, float x) {
        float[] block = new float[Lanes.L];
        Arrays.fill(block, x);
        f.apply(block, block.length);
        return block[block.length - 1];
    }

    private static double worst(Block f, DoubleUnaryOperator exact, float from, float to) {
        double worst = 0;
        float[] x = new float[1024];
        int filled = 0;
        for (long bits = 0; bits < 1L << 32; bits += STEP) {
            float next = Float.intBitsToFloat((int) bits);
            if (next >= from && next <= to) {
                x[filled++] = next;
            }
            if (filled == x.length) {
                filled = 0;
                float[] y = x.clone();
                f.apply(y, y.length);
                for (int i = 0; i < x.length; i++) {
                    worst = Math.max(worst, error(y[i], exact.applyAsDouble(x[i]), x[i]));
                }
            }
        }
        return worst;
    }

    /** In units in the last place; 0 where both are beyond the range of floats. */
    private static double error(float got, double want, float x) {
        float rounded = (float) want;
        if (Float.isNaN(got) || Float.isInfinite(got)) {
            assertEquals(rounded, got, "at " + x);
            return 0;
        }
        return Math.abs(got - want) / Math.ulp(Float.isInfinite(rounded) ? Float.MAX_VALUE : rounded);
    }

    private static final float ALL = Float.POSITIVE_INFINITY;

    @Test
    void expIsRightEverywhere() {
        double worst = worst(VectorMath::exp, Math::exp, -ALL, ALL);
        assertTrue(worst < 0.9, "error " + worst);
        assertEquals(0f, one(VectorMath::exp, Float.NEGATIVE_INFINITY));
        assertEquals(Float.POSITIVE_INFINITY, one(VectorMath::exp, 89));
        assertEquals(Float.POSITIVE_INFINITY, one(VectorMath::exp, Float.MAX_VALUE));
        assertEquals(1f, one(VectorMath::exp, 0));
        assertEquals((float) Math.exp(-100), one(VectorMath::exp, -100), Float.MIN_VALUE);
        assertEquals((float) Math.exp(88.7), one(VectorMath::exp, 88.7f), 1e-4 * Float.MAX_VALUE);
    }

    @Test
    void boundedExpIsRightWhereResultsAreNormal() {
        double worst = worst(EXP_BOUNDED, Math::exp, -87.33f, 88);
        assertTrue(worst < 0.9, "error " + worst);
        assertEquals(0f, one(EXP_BOUNDED, Float.NEGATIVE_INFINITY));
        assertEquals(0f, one(EXP_BOUNDED, -88));
        assertEquals(0f, one(EXP_BOUNDED, -Float.MAX_VALUE));
    }

    @Test
    void tanhIsRightEverywhere() {
        double worst = worst(VectorMath::tanh, Math::tanh, -ALL, ALL);
        assertTrue(worst < 3.5, "error " + worst);
        assertEquals(1f, one(VectorMath::tanh, Float.POSITIVE_INFINITY));
        assertEquals(-1f, one(VectorMath::tanh, Float.NEGATIVE_INFINITY));
        assertEquals(Float.MIN_VALUE, one(VectorMath::tanh, Float.MIN_VALUE));
    }

    @Test
    void sigmoidIsRightEverywhere() {
        double worst = worst(SIGMOID, x -> 1 / (1 + Math.exp(-x)), -ALL, ALL);
        assertTrue(worst < 2.5, "error " + worst);
        assertEquals(1f, one(SIGMOID, Float.POSITIVE_INFINITY));
        assertEquals(0f, one(SIGMOID, Float.NEGATIVE_INFINITY));
    }

    @Test
    void normalDistributionIsRightAboveMinusOne() {
        double worst = worst(NORMAL_CDF, x -> 0.5 * (1 + erf(x / Math.sqrt(2))), -1, ALL);
        assertTrue(worst < 1.5, "error " + worst);
        assertEquals(1f, one(NORMAL_CDF, Float.POSITIVE_INFINITY));
        assertEquals(0f, one(NORMAL_CDF, Float.NEGATIVE_INFINITY));
    }

    @Test
    void normalDistributionKeepsDigitsInItsTail() {
        for (float x = -7.7f; x < 7.7f; x += 0.01f) {
            double want = 0.5 * (1 + erf(x / Math.sqrt(2)));
            double tolerance = x < -3.5 ? 3e-5 : x < -2 ? 3e-6 : 1e-6;
            if (x < -5) {
                want = Math.exp(-x * x / 2.0) / Math.sqrt(2 * Math.PI) / fraction(-x);
            }
            assertEquals(want, one(NORMAL_CDF, x), tolerance * want, "at " + x);
        }
        assertEquals(0f, one(NORMAL_CDF, -1e30f));
        assertEquals(1f, one(NORMAL_CDF, 1e30f));
    }

    @Test
    void logIsRightEverywhere() {
        double worst = worst(VectorMath::log, Math::log, 0, ALL);
        assertTrue(worst < 0.9, "error " + worst);
        assertEquals(Float.NEGATIVE_INFINITY, one(VectorMath::log, 0));
        assertEquals(Float.NEGATIVE_INFINITY, one(VectorMath::log, -0f));
        assertEquals(Float.POSITIVE_INFINITY, one(VectorMath::log, Float.POSITIVE_INFINITY));
        assertTrue(Float.isNaN(one(VectorMath::log, -1)));
        assertTrue(Float.isNaN(one(VectorMath::log, Float.NEGATIVE_INFINITY)));
    }

    @Test
    void sumOfExponentialsCountsEveryElement() {
        float[] x = new float[3 * Lanes.L];
        for (int i = 0; i < x.length; i++) {
            x[i] = 5 + 0.1f * i;
        }
        double want = 0;
        for (int i = Lanes.L; i < x.length; i++) {
            want += Math.exp(x[i] - 7);
        }
        assertEquals(want, VectorMath.expSum(x, Lanes.L, 2 * Lanes.L, 7), 1e-5 * want);
        assertEquals(5, x[0], "the part before stays");
        assertEquals(Math.exp(5 + 0.1f * Lanes.L - 7), x[Lanes.L], 1e-6);
    }

    /** Also NaNs with other payloads than Java's own, as they come in files. */
    @Test
    void nanStaysNan() {
        for (int bits : new int[] {0x7FC00000, 0x7FFFFFFF, 0xFFC00001, 0x7F800001, 0xFFFFFFFF}) {
            float nan = Float.intBitsToFloat(bits);
            assertTrue(Float.isNaN(one(VectorMath::exp, nan)));
            assertTrue(Float.isNaN(one(EXP_BOUNDED, nan)));
            assertTrue(Float.isNaN(one(VectorMath::tanh, nan)));
            assertTrue(Float.isNaN(one(SIGMOID, nan)));
            assertTrue(Float.isNaN(one(NORMAL_CDF, nan)));
            assertTrue(Float.isNaN(one(VectorMath::log, nan)));
        }
    }

    /** x + x^3/3 + ... for small x, else a continued fraction of the complement. */
    private static double erf(double x) {
        double a = Math.abs(x);
        double y;
        if (a < 2.5) {
            double term = a;
            double sum = a;
            for (int n = 1; n < 100; n++) {
                term *= -a * a / n;
                sum += term / (2 * n + 1);
            }
            y = 2 / Math.sqrt(Math.PI) * sum;
        } else {
            y = a > 6 ? 1 : 1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (fraction(a * Math.sqrt(2)) / Math.sqrt(2));
        }
        return Math.copySign(y, x);
    }

    /** Mills: density(x) / (1 - cdf(x)) = x + 1 / (x + 2 / (x + 3 / ...)). */
    private static double fraction(double x) {
        double f = x;
        for (int k = 80; k > 0; k--) {
            f = x + k / f;
        }
        return f;
    }
}
