package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.cpu.x86.SoftmaxCode;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Softmax and the loss on it in machine code against float64. */
class SoftmaxCodeTest {
    private static final int[] LENGTHS = {1, 2, 10, 16, 17, 63, 64, 65, 197, 1000, 4095, 4096, 4097, 9001};
    private static final int ROWS = 3;

    private final Guarded memory = new Guarded();

    @BeforeEach
    void needsMachineCode() {
        assumeTrue(MachineCode.isUsed(), MachineCode.description());
    }

    @AfterEach
    void close() {
        memory.close();
    }

    /** Rows whose largest elements come late, so that sums must be scaled; some are far below. */
    private static float[] logits(int c) {
        float[] x = Guarded.some(ROWS * c, c);
        for (int i = 0; i < x.length; i++) {
            x[i] = 4 * x[i] + 5f * (i % c) / c - (i % 37 == 3 ? 95 : 0);
        }
        return x;
    }

    private static double logSum(float[] x, int r, int c) {
        double sum = 0;
        for (int j = 0; j < c; j++) {
            sum += Math.exp(x[r * c + j]);
        }
        return Math.log(sum);
    }

    private static double tolerance(double want) {
        return 1.5e-6 * Math.abs(want) + 1e-38;
    }

    @Test
    void isTheSoftmaxOfEachRow() {
        for (int c : LENGTHS) {
            float[] x = logits(c);
            long in = memory.copy(x);
            long out = memory.room(x.length);
            NativeCall.call(RowCode.softmax(), in, ROWS, c, out, 0, 0);
            float[] got = Guarded.read(out, x.length);
            for (int i = 0; i < x.length; i++) {
                double want = Math.exp(x[i] - logSum(x, i / c, c));
                assertEquals(want, got[i], tolerance(want), c + " at " + i);
            }
            NativeCall.call(RowCode.softmax(), in, ROWS, c, in, 0, 0);
            assertArrayEquals(got, Guarded.read(in, x.length), "in place");
            memory.close();
        }
    }

    private double[] statistics(long x, long stride, int rows, int c) {
        long out = memory.room(4 * rows);
        NativeCall.call(RowCode.statistics(), x, rows, c, stride, out, 0);
        double[] got = new double[2 * rows];
        OffHeap.read(out, got, 0, got.length);
        return got;
    }

    @Test
    void findsTheLargestAndTheSum() {
        for (int c : LENGTHS) {
            float[] x = logits(c);
            double[] got = statistics(memory.copy(x), 4L * c, ROWS, c);
            for (int r = 0; r < ROWS; r++) {
                double max = Double.NEGATIVE_INFINITY;
                for (int j = 0; j < c; j++) {
                    max = Math.max(max, x[r * c + j]);
                }
                assertEquals(max, got[2 * r]);
                assertEquals(logSum(x, r, c), max + Math.log(got[2 * r + 1]), 5e-7, "row of " + c);
            }
            memory.close();
        }
    }

    @Test
    void rowsOfStatisticsMayLieApart() {
        int c = 70;
        float[] x = logits(2 * c);
        double[] apart = statistics(memory.copy(x), 8L * c, ROWS, c);
        for (int r = 0; r < ROWS; r++) {
            long row = memory.copyAtStart(Arrays.copyOfRange(x, 2 * r * c, 2 * r * c + c));
            assertArrayEquals(statistics(row, 0, 1, c), Arrays.copyOfRange(apart, 2 * r, 2 * r + 2));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 17, 100, 5000})
    void infinityAndNan(int c) {
        float low = Float.NEGATIVE_INFINITY;
        float[] x = new float[c];
        Arrays.fill(x, low);
        double[] none = statistics(memory.copy(x), 0, 1, c);
        assertEquals(low, none[0]);
        assertEquals(0, none[1]);
        long out = memory.room(c);
        NativeCall.call(RowCode.softmax(), memory.copy(x), 1, c, out, 0, 0);
        assertTrue(Float.isNaN(OffHeap.getFloat(out)), "of nothing but -inf");
        x[c - 1] = 2;
        double[] one = statistics(memory.copy(x), 0, 1, c);
        assertEquals(2, one[0]);
        assertEquals(1, one[1]);
        NativeCall.call(RowCode.softmax(), memory.copy(x), 1, c, out, 0, 0);
        assertEquals(1, OffHeap.getFloat(out + 4L * (c - 1)));
        assertEquals(c == 1 ? 1 : 0, OffHeap.getFloat(out));
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            x[c / 2] = bad;
            double[] found = statistics(memory.copy(x), 0, 1, c);
            assertTrue(Double.isNaN(found[1]));
            assertEquals(bad > 0 ? bad : c == 1 ? low : 2, found[0], "the largest number");
            NativeCall.call(RowCode.softmax(), memory.copy(x), 1, c, out, 0, 0);
            assertTrue(Float.isNaN(OffHeap.getFloat(out)));
            assertTrue(Float.isNaN(OffHeap.getFloat(out + 4L * (c - 1))));
        }
    }

    /** The NaN comes in the lane of the largest number, after it. */
    @Test
    void nanDoesNotHideTheLargest() {
        float[] x = new float[100];
        x[2] = 7;
        x[66] = Float.NaN;
        assertEquals(7, statistics(memory.copy(x), 0, 1, x.length)[0]);
    }

    @Test
    void subtractsTwoNumbersFromEachRow() {
        for (int c : LENGTHS) {
            float[] x = Guarded.some(ROWS * c, c);
            float[] numbers = Guarded.some(4 * ROWS, 2);
            long in = memory.copy(x);
            NativeCall.call(RowCode.logarithms(), in, ROWS, c, in, memory.copy(numbers), 0);
            float[] got = Guarded.read(in, x.length);
            for (int i = 0; i < x.length; i++) {
                assertEquals(x[i] - numbers[i / c * 4] - numbers[i / c * 4 + 1], got[i]);
            }
            memory.close();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void isTheGradientOfEachRow(boolean log) {
        for (int c : LENGTHS) {
            float[] y = Guarded.some(ROWS * c, c);
            float[] dy = Guarded.some(ROWS * c, c + 1);
            long yAt = memory.copy(y);
            long dyAt = memory.copy(dy);
            long dx = memory.room(y.length);
            NativeCall.call(RowCode.softmaxGradient(log), yAt, ROWS, c, dyAt, dx, 0);
            float[] got = Guarded.read(dx, y.length);
            for (int r = 0; r < ROWS; r++) {
                double sum = 0;
                for (int i = r * c; i < (r + 1) * c; i++) {
                    sum += log ? dy[i] : (double) y[i] * dy[i];
                }
                for (int i = r * c; i < (r + 1) * c; i++) {
                    double want = log ? dy[i] - Math.exp(y[i]) * sum : y[i] * (dy[i] - sum);
                    assertEquals(want, got[i], 4e-6 * (1 + Math.abs(sum)), c + " at " + i);
                }
            }
            NativeCall.call(RowCode.softmaxGradient(log), yAt, ROWS, c, dyAt, dyAt, 0);
            assertArrayEquals(got, Guarded.read(dyAt, y.length), "to dy");
            memory.close();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void isTheGradientOfTheLoss(boolean weighted) {
        for (int c : LENGTHS) {
            float[] x = logits(2 * c);
            float[] w = Guarded.some(c, 3);
            float[] numbers = new float[4 * ROWS];
            for (int r = 0; r < ROWS; r++) {
                numbers[4 * r] = 5 + r;
                numbers[4 * r + 1] = 0.5f + r;
                numbers[4 * r + 2] = -0.25f * r;
            }
            long at = memory.room(4 + numbers.length);
            OffHeap.setLong(at, memory.copy(w));
            OffHeap.write(numbers, 0, at + SoftmaxCode.NUMBERS, numbers.length);
            long dx = memory.room(ROWS * c);
            NativeCall.call(RowCode.lossGradient(weighted), memory.copy(x), ROWS, c, 8L * c, dx, at);
            float[] got = Guarded.read(dx, ROWS * c);
            for (int r = 0; r < ROWS; r++) {
                for (int j = 0; j < c; j++) {
                    double p = Math.exp(x[2 * r * c + j] - numbers[4 * r]);
                    double want = numbers[4 * r + 1] * p + numbers[4 * r + 2] * (weighted ? w[j] : 1.0);
                    assertEquals(want, got[r * c + j], 1e-6 * (1 + numbers[4 * r + 1] * p), c + " at " + j);
                }
            }
            memory.close();
        }
    }

    /** Rows one at a time, and at addresses that are no multiples of a vector, have the same bits. */
    @Test
    void bitsDependNeitherOnTheCutNorOnTheAddress() {
        for (int c : new int[] {3, 65, 771, 4300}) {
            float[] x = logits(c);
            long all = memory.copy(x);
            double[] statistics = statistics(all, 4L * c, ROWS, c);
            NativeCall.call(RowCode.softmax(), all, ROWS, c, all, 0, 0);
            for (int r = 0; r < ROWS; r++) {
                long one = memory.copyAtStart(Arrays.copyOfRange(x, r * c, (r + 1) * c));
                assertArrayEquals(Arrays.copyOfRange(statistics, 2 * r, 2 * r + 2), statistics(one, 4L * c, 1, c));
                NativeCall.call(RowCode.softmax(), one, 1, c, one, 0, 0);
                assertArrayEquals(Guarded.read(all + 4L * r * c, c), Guarded.read(one, c));
            }
            memory.close();
        }
    }
}
