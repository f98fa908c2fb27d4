package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Rng;
import java.math.BigDecimal;
import org.junit.jupiter.api.Test;

class ScalarMemoryTest {
    /** The nearer of two neighbours, and of equally near ones the even one, in exact arithmetic. */
    private static void assertNearest(double value, short got, boolean f16) {
        double at = decode(got, f16);
        for (int step : new int[] {-1, 1}) {
            short neighbour = (short) (got + step);
            double other = decode(neighbour, f16);
            if (!Double.isFinite(other) || Math.signum(other) * Math.signum(value) < 0) {
                continue;
            }
            BigDecimal here = new BigDecimal(value).subtract(new BigDecimal(at)).abs();
            BigDecimal there =
                    new BigDecimal(value).subtract(new BigDecimal(other)).abs();
            int order = here.compareTo(there);
            assertTrue(order < 0 || order == 0 && (got & 1) == 0, value + " became " + at + ", not " + other);
        }
    }

    private static double decode(short bits, boolean f16) {
        return f16 ? Float.float16ToFloat(bits) : ScalarMemory.fromBf16(bits);
    }

    @Test
    void doublesAreRoundedOnceToTheNearest() {
        Rng rng = new Rng(8);
        for (int i = 0; i < 20_000; i++) {
            double x = rng.nextGaussian() * Math.pow(2, rng.nextInt(28) - 20);
            assertNearest(x, ScalarMemory.toF16(x), true);
            assertNearest(x, ScalarMemory.toBf16(x), false);
        }
        // A float would round these to a tie first, and the tie to the wrong side.
        for (double tie : new double[] {1 + 0x1p-11, 1 + 0x1p-8, 1 + 3 * 0x1p-11, 1 + 3 * 0x1p-8}) {
            for (double x : new double[] {tie, Math.nextUp(tie), Math.nextDown(tie), -Math.nextUp(tie)}) {
                assertNearest(x, ScalarMemory.toF16(x), true);
                assertNearest(x, ScalarMemory.toBf16(x), false);
            }
        }
    }

    @Test
    void edgesOfTheRanges() {
        assertEquals(Double.POSITIVE_INFINITY, decode(ScalarMemory.toF16(65520), true));
        assertEquals(65504, decode(ScalarMemory.toF16(Math.nextDown(65520)), true));
        assertEquals(Double.NEGATIVE_INFINITY, decode(ScalarMemory.toBf16(-1e39), false));
        assertEquals(0x1p-24, decode(ScalarMemory.toF16(0x1.8p-25), true));
        assertEquals(0, decode(ScalarMemory.toF16(0x1p-25), true));
        assertEquals(0, decode(ScalarMemory.toBf16(Double.MIN_VALUE), false));
        assertTrue(Double.isNaN(decode(ScalarMemory.toBf16(Double.NaN), false)));
        assertTrue(Double.isNaN(decode(ScalarMemory.toBf16(Float.intBitsToFloat(0x7FFFFFFF)), false)));
        assertTrue(Double.isNaN(decode(ScalarMemory.toF16(Double.NaN), true)));
        assertEquals(0x8000, ScalarMemory.toBf16(-0.0) & 0xFFFF);
    }

    @Test
    void everySixteenBitNumberSurvives() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            short s = (short) bits;
            if (!Double.isNaN(decode(s, true))) {
                assertEquals(s, ScalarMemory.toF16(decode(s, true)));
            }
            if (!Double.isNaN(decode(s, false))) {
                assertEquals(s, ScalarMemory.toBf16(decode(s, false)));
            }
        }
    }

    /** Values of erf from Abramowitz and Stegun and from the continued fraction in 50 digits. */
    @Test
    void normalDistribution() {
        double[][] known = {
            {0, 0.5},
            {1, 0.8413447460685429},
            {-1, 0.15865525393145705},
            {2, 0.9772498680518208},
            {-2.8, 0.002555130330427932},
            {-3, 0.0013498980316300945},
            {-6, 9.865876450376981e-10},
            {-10, 7.61985302416052e-24},
            {9, 1},
        };
        for (double[] k : known) {
            assertEquals(k[1], ScalarErf.normalCdf(k[0]), 2e-13 * k[1], "at " + k[0]);
        }
    }
}
