package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Functions of runs in machine code, and a step of AdamW. */
class ScanCodeTest {
    private static final int[] LENGTHS = {1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 1000, 5001};

    private final Guarded memory = new Guarded();

    @BeforeEach
    void needsMachineCode() {
        assumeTrue(MachineCode.isUsed(), MachineCode.description());
    }

    @AfterEach
    void close() {
        memory.close();
    }

    private static long firstAbove(long x, int n, float threshold) {
        return NativeCall.call(RowCode.firstAbove(), x, n, Float.floatToRawIntBits(threshold), 0, 0, 0);
    }

    @Test
    void findsWhatIsAboveAThreshold() {
        for (int n : LENGTHS) {
            long x = memory.copy(Guarded.some(n, n));
            assertEquals(n, firstAbove(x, n, 1), "nothing above in " + n);
            for (int i = 0; i < n; i += n < 100 ? 1 : 77) {
                float before = OffHeap.getFloat(x + 4L * i);
                for (float large : new float[] {1.5f, Float.POSITIVE_INFINITY, Float.NaN}) {
                    OffHeap.setFloat(x + 4L * i, large);
                    assertEquals(i / 16 * 16, firstAbove(x, n, 1), n + " with " + large + " at " + i);
                }
                OffHeap.setFloat(x + 4L * i, 1);
                assertEquals(n, firstAbove(x, n, 1), "equal is not above");
                OffHeap.setFloat(x + 4L * i, before);
            }
            assertEquals(0, firstAbove(x, n, Float.NaN));
            memory.close();
        }
    }

    /** Lanes beyond the end count as equal to the threshold, not as zeros. */
    @Test
    void negativeThresholdsFindNothingBeyondTheEnd() {
        long x = memory.copy(-5, -6, -7);
        assertEquals(3, firstAbove(x, 3, -1));
        assertEquals(0, firstAbove(x, 3, -5.5f));
    }

    @Test
    void sumsSquaresInFloat64() {
        for (int n : LENGTHS) {
            float[] x = Guarded.some(n, n);
            x[n / 2] = 3e30f; // whose square is no float
            double want = 0;
            for (float v : x) {
                want += (double) v * v;
            }
            long out = memory.room(2);
            NativeCall.call(RowCode.squares(), memory.copy(x), n, out, 0, 0, 0);
            assertEquals(want, OffHeap.getDouble(out), 1e-14 * want);
            x[n / 2] = 0;
            NativeCall.call(RowCode.squares(), memory.copyAtStart(x), n, out, 0, 0, 0);
            want = 0;
            for (float v : x) {
                want += (double) v * v;
            }
            assertEquals(want, OffHeap.getDouble(out), 1e-14 * want);
            x[n - 1] = Float.NaN;
            NativeCall.call(RowCode.squares(), memory.copy(x), n, out, 0, 0, 0);
            assertTrue(Double.isNaN(OffHeap.getDouble(out)));
            memory.close();
        }
    }

    @Test
    void addsFourRuns() {
        for (int n : LENGTHS) {
            float[][] x = new float[5][];
            long[] at = new long[5];
            for (int i = 0; i < 5; i++) {
                x[i] = Guarded.some(n, i);
                at[i] = memory.copy(x[i]);
            }
            NativeCall.call(RowCode.addFour(), at[0], at[1], at[2], at[3], at[4], n);
            for (int i = 0; i < n; i++) {
                float want = x[0][i] + (x[1][i] + x[2][i] + (x[3][i] + x[4][i]));
                assertEquals(want, OffHeap.getFloat(at[0] + 4L * i), n + " at " + i);
            }
            memory.close();
        }
    }

    @Test
    void isAStepOfAdamW() {
        float[] k = {0.5f, 0.9f, 0.1f, 0.999f, 0.001f, 1e-8f, 0.01f, 1.25f, -0.003f};
        for (int n : LENGTHS) {
            float[] p = Guarded.some(n, 1);
            float[] g = Guarded.some(n, 2);
            float[] m = Guarded.some(n, 3);
            float[] v = Guarded.some(n, 4);
            for (int i = 0; i < n; i++) {
                v[i] = v[i] * v[i];
            }
            g[0] = Float.NaN;
            long[] at = {memory.copy(p), memory.copy(g), memory.copy(m), memory.copy(v)};
            NativeCall.call(RowCode.adam(), at[0], at[1], at[2], at[3], n, memory.copy(k));
            for (int i = 0; i < n; i++) {
                float grad = g[i] * k[0];
                m[i] = Math.fma(m[i], k[1], grad * k[2]);
                v[i] = Math.fma(v[i], k[3], grad * grad * k[4]);
                float step = m[i] * k[6] / Math.fma((float) Math.sqrt(v[i]), k[7], k[5]);
                p[i] = Math.fma(p[i], k[8], p[i]) - step;
            }
            assertArrayEquals(p, Guarded.read(at[0], n), "parameters of " + n);
            assertArrayEquals(g, Guarded.read(at[1], n), "gradients stay");
            assertArrayEquals(m, Guarded.read(at[2], n), "first moments of " + n);
            assertArrayEquals(v, Guarded.read(at[3], n), "second moments of " + n);
            memory.close();
        }
    }
}
