package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.cpu.x86.MachineCode;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Gradients of norms in machine code against float64. */
class NormGradCodeTest {
    private static final int[] LENGTHS = {1, 2, 7, 16, 17, 63, 64, 65, 100, 384, 768, 4096, 4097, 9000};
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

    @ParameterizedTest
    @CsvSource({"false,false", "false,true", "true,false", "true,true"})
    void isTheGradient(boolean rms, boolean other) {
        for (int c : LENGTHS) {
            float[] x = Guarded.some(ROWS * c, c);
            float[] dy = Guarded.some(ROWS * c, 2);
            float[] more = Guarded.some(ROWS * c, 3);
            float[] weight = Guarded.some(c, 4);
            float[] before = Guarded.some(c, 5);
            float[] means = rms ? new float[ROWS] : Guarded.some(ROWS, 6);
            float[] rstds = {0.5f, 1.5f, 2};
            long dx = memory.room(ROWS * c);
            long dWeight = memory.copy(before);
            long dBias = memory.copy(before);
            NormMachine.gradient(
                    memory.copy(x),
                    rms ? 0 : memory.copy(means),
                    memory.copy(rstds),
                    memory.copy(weight),
                    memory.copy(dy),
                    other ? memory.copy(more) : 0,
                    dx,
                    dWeight,
                    rms ? 0 : dBias,
                    0,
                    ROWS,
                    c);
            double[] wantWeight = new double[c];
            double[] wantBias = new double[c];
            Arrays.setAll(wantWeight, j -> before[j]);
            Arrays.setAll(wantBias, j -> before[j]);
            for (int r = 0; r < ROWS; r++) {
                double meanG = 0;
                double meanGH = 0;
                double[] h = new double[c];
                double[] g = new double[c];
                for (int j = 0; j < c; j++) {
                    double d = dy[r * c + j];
                    h[j] = ((double) x[r * c + j] - means[r]) * rstds[r];
                    g[j] = d * weight[j];
                    meanG += rms ? 0 : g[j] / c;
                    meanGH += g[j] * h[j] / c;
                    wantWeight[j] += d * h[j];
                    wantBias[j] += rms ? 0 : d;
                }
                for (int j = 0; j < c; j++) {
                    double want = rstds[r] * (g[j] - meanG - h[j] * meanGH) + (other ? more[r * c + j] : 0);
                    String what = (rms ? "rms " : "layer ") + c + ", row " + r + " at " + j;
                    assertEquals(want, OffHeap.getFloat(dx + 4L * (r * c + j)), 4e-6, what);
                }
            }
            for (int j = 0; j < c; j++) {
                assertEquals(wantWeight[j], OffHeap.getFloat(dWeight + 4L * j), 2e-6, "dWeight at " + j);
                assertEquals(wantBias[j], OffHeap.getFloat(dBias + 4L * j), 1e-6, "dBias at " + j);
            }
            memory.close();
        }
    }

    /** Where a row lies, and which rows are in the same call, changes no bit of dx. */
    @Test
    void bitsDependNeitherOnTheCutNorOnTheAddress() {
        for (int c : new int[] {3, 65, 771, 4300}) {
            float[] x = Guarded.some(ROWS * c, 1);
            float[] dy = Guarded.some(ROWS * c, 2);
            long weight = memory.copy(Guarded.some(c, 3));
            long statistics = memory.copy(0.1f, 0.2f, 0.3f);
            long dx = memory.room(ROWS * c);
            long[] sums = {memory.room(c), memory.room(c), memory.room(c), memory.room(c)};
            long xAt = memory.copy(x);
            long dyAt = memory.copy(dy);
            NormMachine.gradient(xAt, statistics, statistics, weight, dyAt, 0, dx, sums[0], sums[1], 0, ROWS, c);
            float[] all = Guarded.read(dx, ROWS * c);
            for (int r = 0; r < ROWS; r++) {
                NormMachine.gradient(xAt, statistics, statistics, weight, dyAt, 0, dx, sums[2], sums[3], r, r + 1, c);
            }
            assertArrayEquals(all, Guarded.read(dx, ROWS * c));
            assertArrayEquals(Guarded.read(sums[0], c), Guarded.read(sums[2], c));
            assertArrayEquals(Guarded.read(sums[1], c), Guarded.read(sums[3], c));
            memory.close();
        }
    }
}
