package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.TensorException;
import io.quern.tensor.quant.Blocks;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Products with quantised weights, with few rows and with many. */
class QuantizedProductTest {
    private int before;

    @BeforeEach
    void remember() {
        before = Workers.threads();
    }

    @AfterEach
    void restore() {
        Workers.setThreads(before);
    }

    /** x[m, k], W[n, k] of a type, and what W stands for. */
    private static final class Fixture implements AutoCloseable {
        final Arena arena = Arena.ofConfined();
        final DType type;
        final int m;
        final int n;
        final int k;
        final float[] x;
        final float[] w;
        final long xAt;
        final long wAt;
        final long yAt;

        Fixture(DType type, int m, int n, int k) {
            this.type = type;
            this.m = m;
            this.n = n;
            this.k = k;
            SplittableRandom random = new SplittableRandom(m + 31L * n + 997L * k);
            x = normal(random, m * k);
            float[] exact = normal(random, n * k);
            byte[] blocks = new byte[(int) type.bytes((long) n * k)];
            Blocks.quantize(type, exact, 0, n * k, blocks, 0);
            w = new float[n * k];
            Blocks.dequantize(type, blocks, 0, n * k, w, 0);
            xAt = arena.allocate(4L * m * k, 4).address();
            OffHeap.write(x, 0, xAt, m * k);
            MemorySegment bytes = arena.allocate(blocks.length + 1, 2); // the end of the arena's slice is the end of W
            MemorySegment.copy(blocks, 0, bytes, ValueLayout.JAVA_BYTE, 1, blocks.length); // at an odd address
            wAt = bytes.address() + 1;
            yAt = arena.allocate(4L * m * n, 4).address();
        }

        private static float[] normal(SplittableRandom random, int size) {
            float[] all = new float[size];
            for (int i = 0; i < size; i++) {
                all[i] = (float) random.nextGaussian();
            }
            return all;
        }

        /** Rows {@code first} to {@code first + rows - 1} of the product. */
        float[] product(int first, int rows) {
            Gemm.weights(type, rows, n, k, xAt + 4L * first * k, k, 1, wAt, 1, k, yAt, n, 0, false);
            float[] y = new float[rows * n];
            OffHeap.read(yAt, y, 0, y.length);
            return y;
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    private static int[][] sizes(DType type) {
        int b = type.blockSize();
        return new int[][] {
            {1, 1, b},
            {1, 7, 3 * b},
            {2, 33, b},
            {4, 66, 2 * b},
            {7, 5, 5 * b},
            {8, 301, b},
            {9, 1, b},
            {20, 40, 768},
            {33, 70, 1280},
            {130, 141, 1280}
        };
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0", "Q4_K", "Q6_K"})
    void equalsTheProductWithWhatTheWeightsStandFor(DType type) {
        for (int[] s : sizes(type)) {
            try (Fixture f = new Fixture(type, s[0], s[1], s[2])) {
                float[] y = f.product(0, f.m);
                for (int i = 0; i < f.m; i++) {
                    for (int j = 0; j < f.n; j++) {
                        double sum = 0;
                        double size = 0;
                        for (int p = 0; p < f.k; p++) {
                            double term = (double) f.x[i * f.k + p] * f.w[j * f.k + p];
                            sum += term;
                            size += Math.abs(term);
                        }
                        // k roundings of the sum and up to 4 of a weight, whose minimum may exceed it
                        double allowed = (f.k + 16) * 0x1p-24 * size;
                        assertEquals(sum, y[i * f.n + j], allowed, Arrays.toString(s) + " (" + i + ", " + j + ")");
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0", "Q4_K", "Q6_K"})
    void fewRowsHaveTheBitsOfOneRow(DType type) {
        for (int m = 2; m <= Gemv.ROWS; m++) {
            try (Fixture f = new Fixture(type, m, 203, 2 * type.blockSize())) {
                float[] all = f.product(0, m);
                for (int i = 0; i < m; i++) {
                    assertArrayEquals(
                            f.product(i, 1), Arrays.copyOfRange(all, i * f.n, (i + 1) * f.n), "row " + i + " of " + m);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0", "Q4_K", "Q6_K"})
    void theSameBitsForAnyNumberOfThreads(DType type) {
        for (int m : new int[] {1, 5, 40, 128}) {
            try (Fixture f = new Fixture(type, m, 700, 1024)) {
                Workers.setThreads(1);
                float[] one = f.product(0, m);
                for (int threads = 2; threads <= 7; threads++) {
                    Workers.setThreads(threads);
                    assertArrayEquals(one, f.product(0, m), m + " rows, " + threads + " threads");
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0", "Q4_K", "Q6_K"})
    void compiledCodeGivesTheBitsOfTheInterpreter(DType type) {
        try (Fixture f = new Fixture(type, 5, 40, 512)) {
            float[] cold = f.product(0, 5);
            float[] coldRow = f.product(0, 1);
            for (int round = 0; round < 300; round++) {
                assertArrayEquals(cold, f.product(0, 5));
                assertArrayEquals(coldRow, f.product(0, 1));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0", "Q4_K", "Q6_K"})
    void columnsMustBeWholeBlocks(DType type) {
        int k = type.blockSize() + 16;
        var e = assertThrows(
                TensorException.class, () -> Gemm.weights(type, 1, 1, k, 0, k, 1, 0, 1, k, 0, 1, 0, false));
        assertTrue(e.getMessage().contains("whole blocks"), e.getMessage());
    }
}
