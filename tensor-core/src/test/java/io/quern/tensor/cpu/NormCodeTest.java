package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.cpu.x86.NormCode;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Norms in machine code against float64. */
class NormCodeTest {
    private static final int[] LENGTHS = {1, 2, 7, 16, 17, 63, 64, 65, 100, 384, 768, 4095, 4096, 4097, 4160, 9000};
    private static final double EPSILON = 1e-5;

    private final Guarded memory = new Guarded();

    @BeforeEach
    void needsMachineCode() {
        assumeTrue(MachineCode.isUsed(), MachineCode.description());
    }

    @AfterEach
    void close() {
        memory.close();
    }

    /** The results for some rows, or all of them NaN at first. */
    private record Result(float[] y, float[] sum, float[] means, float[] rstds) {}

    private long room(int n) {
        float[] x = new float[n];
        Arrays.fill(x, Float.NaN);
        return memory.copy(x);
    }

    private Result run(boolean rms, long x, long added, long weight, long bias, int rows, int c) {
        long y = room(rows * c);
        long sum = room(rows * c);
        long means = room(rows);
        long rstds = room(rows);
        long p = memory.room(NormCode.PARAMETERS / 4);
        OffHeap.setLong(p + NormCode.X, x);
        OffHeap.setLong(p + NormCode.ADDED, added);
        OffHeap.setLong(p + NormCode.SUM, sum);
        OffHeap.setLong(p + NormCode.Y, y);
        OffHeap.setLong(p + NormCode.WEIGHT, weight);
        OffHeap.setLong(p + NormCode.BIAS, bias);
        OffHeap.setLong(p + NormCode.MEANS, means);
        OffHeap.setLong(p + NormCode.RSTDS, rstds);
        OffHeap.setLong(p + NormCode.ROWS, rows);
        OffHeap.setLong(p + NormCode.COLUMNS, c);
        OffHeap.setDouble(p + NormCode.COUNT, c);
        OffHeap.setDouble(p + NormCode.EPSILON, EPSILON);
        NativeCall.call(RowCode.norm(rms, added != 0), p, 0, 0, 0, 0, 0);
        return new Result(
                Guarded.read(y, rows * c),
                Guarded.read(sum, rows * c),
                Guarded.read(means, rows),
                Guarded.read(rstds, rows));
    }

    @ParameterizedTest
    @CsvSource({"false,false", "false,true", "true,false", "true,true"})
    void isTheNormOfEachRow(boolean rms, boolean add) {
        for (int c : LENGTHS) {
            int rows = 3;
            float[] x = Guarded.some(rows * c, c);
            for (int i = 0; i < x.length; i++) {
                x[i] += 3; // so that the mean must be subtracted before squaring
            }
            float[] added = Guarded.some(rows * c, c + 1);
            float[] weight = Guarded.some(c, 3);
            float[] bias = Guarded.some(c, 4);
            Result got = run(
                    rms,
                    memory.copy(x),
                    add ? memory.copy(added) : 0,
                    memory.copy(weight),
                    rms ? 0 : memory.copy(bias),
                    rows,
                    c);
            for (int r = 0; r < rows; r++) {
                String what = (rms ? "rms " : "layer ") + c + ", row " + r;
                double[] h = new double[c];
                for (int j = 0; j < c; j++) {
                    h[j] = add ? x[r * c + j] + added[r * c + j] : x[r * c + j];
                    if (add) {
                        assertEquals((float) h[j], got.sum[r * c + j], what);
                    }
                }
                double mean = rms ? 0 : Arrays.stream(h).sum() / c;
                double variance =
                        Arrays.stream(h).map(v -> (v - mean) * (v - mean)).sum() / c;
                double rstd = 1 / Math.sqrt(variance + EPSILON);
                if (!rms) {
                    assertEquals(mean, got.means[r], 5e-7, what);
                }
                assertEquals(rstd, got.rstds[r], (c == 1 ? 1e-2 : 5e-7) * rstd, what);
                for (int j = 0; j < c; j++) {
                    double want = (h[j] - mean) * rstd * weight[j] + (rms ? 0 : bias[j]);
                    assertEquals(want, got.y[r * c + j], c == 1 ? 1e-4 : 4e-6, what);
                }
            }
            memory.close();
        }
    }

    /** With 60 thousand numbers of nearly the same size, a plain sum in floats would be off by far more. */
    @Test
    void meansOfLongRowsKeepTheirDigits() {
        int c = 60_001;
        float[] x = new float[c];
        double sum = 0;
        for (int i = 0; i < c; i++) {
            x[i] = 1 + i % 7 * 0.1f;
            sum += x[i];
        }
        float[] ones = new float[c];
        Result got = run(false, memory.copy(x), 0, memory.copy(ones), memory.copy(ones), 1, c);
        assertEquals(sum / c, got.means[0], 1.2e-7);
    }

    /** Rows one at a time, and at addresses that are no multiples of a vector, have the same bits. */
    @ParameterizedTest
    @CsvSource({"false,false", "false,true", "true,false", "true,true"})
    void bitsDependNeitherOnTheCutNorOnTheAddress(boolean rms, boolean add) {
        for (int c : new int[] {3, 65, 771, 4300}) {
            int rows = 4;
            long x = memory.copy(Guarded.some(rows * c, 5));
            long added = add ? memory.copy(Guarded.some(rows * c, 6)) : 0;
            long weight = memory.copy(Guarded.some(c, 7));
            long bias = memory.copy(Guarded.some(c, 8));
            Result all = run(rms, x, added, weight, bias, rows, c);
            for (int r = 0; r < rows; r++) {
                long row = memory.copyAtStart(Guarded.read(x + 4L * r * c, c));
                Result one = run(rms, row, add ? added + 4L * r * c : 0, weight, bias, 1, c);
                assertArrayEquals(Arrays.copyOfRange(all.y, r * c, (r + 1) * c), one.y);
                assertEquals(all.means[r], one.means[0]);
                assertEquals(all.rstds[r], one.rstds[0]);
            }
            memory.close();
        }
    }

    @Test
    void notANumberSpoilsItsRowAlone() {
        int c = 70;
        float[] x = Guarded.some(3 * c, 9);
        x[c + 68] = Float.NaN;
        x[2 * c] = Float.POSITIVE_INFINITY;
        long ones = memory.copy(Guarded.some(c, 1));
        for (boolean rms : new boolean[] {false, true}) {
            Result got = run(rms, memory.copy(x), 0, ones, ones, 3, c);
            for (int j = 0; j < c; j++) {
                assertTrue(Float.isFinite(got.y[j]));
                assertTrue(Float.isNaN(got.y[c + j]));
                assertEquals(rms && j > 0 ? 0 : Float.NaN, Math.abs(got.y[2 * c + j])); // inf * 0 and x * 0
            }
        }
    }
}
