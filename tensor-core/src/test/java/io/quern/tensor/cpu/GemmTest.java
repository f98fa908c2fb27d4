package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.GemmFixture.normal;
import static io.quern.tensor.cpu.GemmFixture.whole;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.DType;
import io.quern.tensor.TensorException;
import io.quern.tensor.cpu.GemmFixture.Layout;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class GemmTest {
    private static final int[] SIZES = {1, 2, 3, 5, 7, 8, 13, 14, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100};
    private int before;

    @BeforeEach
    void remember() {
        before = Workers.threads();
    }

    @AfterEach
    void restore() {
        Workers.setThreads(before);
    }

    private static Consumer<GemmCall> kernel(int bits) {
        assumeTrue(Fma.inHardware(), "each multiply-add would take microseconds");
        return new GemmDriver(GemmKernel.forBits(bits))::run;
    }

    /** Through the public methods. */
    private static void gemm(GemmCall g) {
        Gemm.weights(
                g.type(),
                g.m(),
                g.n(),
                g.k(),
                g.a(),
                g.aRow(),
                g.aCol(),
                g.b(),
                g.bRow(),
                g.bCol(),
                g.c(),
                g.ldc(),
                g.bias(),
                g.accumulate());
    }

    private static void f32(GemmCall g) {
        Gemm.f32(
                g.m(),
                g.n(),
                g.k(),
                g.a(),
                g.aRow(),
                g.aCol(),
                g.b(),
                g.bRow(),
                g.bCol(),
                g.c(),
                g.ldc(),
                g.bias(),
                g.accumulate());
    }

    @ParameterizedTest
    @ValueSource(ints = {128, 256, 512})
    void allSizesAndLayouts(int bits) {
        long seed = 0;
        for (Layout la : Layout.values()) {
            for (Layout lb : Layout.values()) {
                for (int m : SIZES) {
                    seed++;
                    int n = SIZES[(int) (seed * 7 % SIZES.length)];
                    int k = SIZES[(int) (seed * 11 % SIZES.length)];
                    try (var f = new GemmFixture(m, n, k, la, lb, DType.F32, (int) (seed % 4), normal(seed))) {
                        f.check(kernel(bits), false);
                        f.check(GemmTest::f32, false);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {128, 256, 512})
    void sumsOfWholeNumbersAreExact(int bits) {
        // k beyond one stretch; rows beyond one block
        int[][] shapes = {{257, 65, 100}, {65, 97, 513}, {17, 257, 257}, {9, 40, 1500}, {1, 1, 2000}};
        for (int[] s : shapes) {
            for (Layout la : new Layout[] {Layout.N, Layout.T}) {
                for (Layout lb : new Layout[] {Layout.N, Layout.T}) {
                    try (var f = new GemmFixture(s[0], s[1], s[2], la, lb, DType.F32, 1, whole(s[0]))) {
                        f.withBias(whole(7)).accumulating().check(kernel(bits), true);
                        f.check(GemmTest::gemm, true);
                    }
                }
            }
        }
    }

    @Test
    void severalBoxes() {
        // more rows than a box holds; then k and columns beyond one box (2 of k, 3 of columns)
        try (var f = new GemmFixture(1100, 40, 30, Layout.T, Layout.N, DType.F32, 0, whole(1))) {
            f.check(GemmTest::gemm, true);
        }
        try (var f = new GemmFixture(1024, 9, 2100, Layout.N, Layout.T, DType.F32, 0, whole(2))) {
            f.accumulating().check(GemmTest::gemm, true);
        }
        try (var f = new GemmFixture(10, 20000, 20, Layout.N, Layout.N, DType.F32, 0, whole(3))) {
            f.withBias(whole(4)).check(GemmTest::gemm, true);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void biasAndAccumulate(boolean accumulate) {
        for (int m : new int[] {1, 4, 9, 30}) {
            for (int n : new int[] {1, 31, 32, 70}) {
                try (var f = new GemmFixture(m, n, 600, Layout.N, Layout.T, DType.F32, 2, normal(m + n))) {
                    f.accumulate = accumulate;
                    f.withBias(normal(3)).check(GemmTest::f32, false);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16"})
    void narrowWeights(DType type) {
        for (Layout layout : Layout.values()) {
            for (int[] s :
                    new int[][] {{1, 1, 1}, {2, 33, 17}, {9, 17, 33}, {30, 65, 700}, {12, 100, 16}, {5, 40, 64}}) {
                for (int gap : new int[] {0, 3}) {
                    try (var f = new GemmFixture(s[0], s[1], s[2], Layout.N, layout, type, gap, normal(s[1]))) {
                        f.withBias(normal(1)).check(GemmTest::gemm, false);
                    }
                }
            }
        }
    }

    @Test
    void emptySizes() {
        for (int[] s : new int[][] {{0, 5, 3}, {5, 0, 3}, {3, 40, 0}, {0, 0, 0}, {12, 7, 0}}) {
            try (var f = new GemmFixture(s[0], s[1], s[2], Layout.N, Layout.N, DType.F32, 1, normal(1))) {
                f.check(GemmTest::f32, true);
                f.withBias(whole(2)).check(GemmTest::f32, true);
            }
            try (var f = new GemmFixture(s[0], s[1], s[2], Layout.N, Layout.N, DType.F32, 1, whole(1))) {
                f.withBias(whole(2)).accumulating().check(GemmTest::f32, true);
            }
        }
    }

    @Test
    void theSameBitsForAnyNumberOfThreads() {
        for (int[] s : new int[][] {
            {257, 300, 1100}, {1100, 30, 700}, {70, 20, 600}, {1, 700, 900}, {5, 333, 777}, {30, 2100, 520}
        }) {
            for (Layout lb : new Layout[] {Layout.N, Layout.T}) {
                try (var f = new GemmFixture(s[0], s[1], s[2], Layout.N, lb, DType.F32, 0, normal(5))) {
                    Workers.setThreads(1);
                    float[] one = f.result(GemmTest::f32);
                    for (int threads = 2; threads <= 7; threads++) {
                        Workers.setThreads(threads);
                        assertArrayEquals(one, f.result(GemmTest::f32), threads + " threads");
                    }
                }
            }
        }
    }

    @Test
    void anElementDoesNotDependOnTheRowsAroundIt() {
        try (var f = new GemmFixture(40, 70, 1100, Layout.N, Layout.N, DType.F32, 0, normal(6))) {
            float[] all = f.result(GemmTest::f32);
            GemmCall g = f.call();
            float[] some = f.result(whole -> f32(new GemmCall(
                    11,
                    33,
                    g.k(),
                    g.aAt(20, 0),
                    g.aRow(),
                    1,
                    DType.F32,
                    g.bAt(0, 5),
                    g.bRow(),
                    1,
                    g.cAt(20, 5),
                    g.ldc(),
                    0,
                    false)));
            for (int i = 20; i < 31; i++) {
                for (int j = 5; j < 38; j++) {
                    assertEquals(f.at(all, i, j), f.at(some, i, j));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16", "F16"})
    void fewRowsHaveTheBitsOfOneRow(DType type) {
        for (Layout lb : new Layout[] {Layout.N, Layout.T}) {
            for (int[] s : new int[][] {{8, 70, 77}, {5, 301, 130}, {2, 9, 3}}) {
                try (var f = new GemmFixture(s[0], s[1], s[2], Layout.N, lb, type, 1, normal(8))) {
                    float[] all = f.result(GemmTest::gemm);
                    float[] each = f.result(g -> {
                        for (int i = 0; i < g.m(); i++) {
                            gemm(new GemmCall(
                                    1,
                                    g.n(),
                                    g.k(),
                                    g.aAt(i, 0),
                                    g.aRow(),
                                    1,
                                    type,
                                    g.b(),
                                    g.bRow(),
                                    g.bCol(),
                                    g.cAt(i, 0),
                                    g.ldc(),
                                    0,
                                    false));
                        }
                    });
                    assertArrayEquals(each, all);
                }
            }
        }
    }

    @Test
    void compiledCodeGivesTheBitsOfTheInterpreter() {
        for (Layout lb : new Layout[] {Layout.N, Layout.T}) {
            for (int m : new int[] {1, 3, 16}) {
                try (var f = new GemmFixture(m, 50, 90, Layout.N, lb, DType.F32, 0, normal(9))) {
                    float[] cold = f.result(GemmTest::f32);
                    for (int round = 0; round < 120; round++) {
                        assertArrayEquals(cold, f.result(GemmTest::f32));
                    }
                }
            }
        }
    }

    @Test
    void nanAndInfinityPropagate() {
        for (int m : new int[] {1, 3, 20}) {
            for (Layout lb : new Layout[] {Layout.N, Layout.T}) {
                try (var f = new GemmFixture(m, 37, 50, Layout.N, lb, DType.F32, 0, () -> 0)) {
                    f.setB(20, 3, Float.NaN); // 0 * NaN
                    f.setB(21, 4, Float.POSITIVE_INFINITY); // 0 * infinity
                    f.setA(m - 1, 49, Float.NEGATIVE_INFINITY);
                    f.setB(49, 5, 2f);
                    float[] c = f.result(GemmTest::f32);
                    assertTrue(Float.isNaN(f.at(c, 0, 3)));
                    assertTrue(Float.isNaN(f.at(c, 0, 4)));
                    assertEquals(Float.NEGATIVE_INFINITY, f.at(c, m - 1, 5));
                    assertTrue(Float.isNaN(f.at(c, m - 1, 6))); // -infinity * 0
                    if (m > 1) {
                        assertEquals(0f, f.at(c, 0, 6));
                    }
                }
            }
        }
    }

    @Test
    void batches() {
        // batch, m, n, k and whether A, B are shared
        int[][] cases = {{3, 5, 7, 9, 0, 0}, {4, 20, 33, 17, 0, 1}, {5, 20, 16, 40, 1, 0}, {70, 2, 3, 4, 0, 1}};
        for (int[] s : cases) {
            int batch = s[0];
            int m = s[1];
            int n = s[2];
            int k = s[3];
            long aBatch = s[4] == 1 ? 0 : (long) m * k;
            long bBatch = s[5] == 1 ? 0 : (long) k * n;
            for (int gap = 0; gap < 2; gap++) {
                long cBatch = (long) m * n + gap; // without a gap, a shared B is one tall product
                try (Arena arena = Arena.ofConfined()) {
                    long a = random(arena, batch * m * k);
                    long b = random(arena, batch * k * n);
                    long bias = random(arena, n);
                    int size = (int) (batch * cBatch);
                    long fast = random(arena, size);
                    long slow = arena.allocate(4L * size, 4).address();
                    OffHeap.copy(fast, slow, 4L * size);
                    Gemm.f32Batched(batch, m, n, k, a, aBatch, k, 1, b, bBatch, n, 1, fast, cBatch, n, bias, true);
                    GemmReference.f32Batched(
                            batch, m, n, k, a, aBatch, k, 1, b, bBatch, n, 1, slow, cBatch, n, bias, true);
                    assertArrayEquals(floats(slow, size), floats(fast, size), Arrays.toString(s) + " gap " + gap);
                }
            }
        }
        // one large enough to be shared out in itself
        try (Arena arena = Arena.ofConfined()) {
            long a = random(arena, 2 * 300 * 260);
            long b = random(arena, 2 * 260 * 260);
            long fast = random(arena, 2 * 300 * 260);
            long slow = random(arena, 2 * 300 * 260);
            Gemm.f32Batched(2, 300, 260, 260, a, 78000, 260, 1, b, 67600, 1, 260, fast, 78000, 260, 0, false);
            GemmReference.f32Batched(2, 300, 260, 260, a, 78000, 260, 1, b, 67600, 1, 260, slow, 78000, 260, 0, false);
            assertArrayEquals(floats(slow, 156000), floats(fast, 156000));
        }
    }

    private static long random(Arena arena, int size) {
        long at = arena.allocate(4L * size, 4).address();
        var values = whole(size);
        for (int i = 0; i < size; i++) {
            OffHeap.setFloat(at + 4L * i, (float) values.getAsDouble());
        }
        return at;
    }

    private static float[] floats(long at, int size) {
        float[] all = new float[size];
        OffHeap.read(at, all, 0, size);
        return all;
    }

    @Test
    void everyHalfPrecisionNumberIsWidenedExactly() {
        try (Arena arena = Arena.ofConfined()) {
            long words = arena.allocate(2 * 65536, 2).address();
            for (int i = 0; i < 65536; i++) {
                OffHeap.setShort(words + 2L * i, (short) i);
            }
            for (DType type : new DType[] {DType.F16, DType.BF16}) {
                float[] wide = new float[65536 + 7];
                GemmLoad.row(type, words, 65535, wide, 7); // an odd count: tail included
                for (int i = 0; i < 65535; i++) {
                    float expected = GemmReference.element(type, words + 2L * i);
                    if (Float.isNaN(expected)) {
                        assertTrue(Float.isNaN(wide[i + 7]), type + " " + i);
                    } else {
                        assertEquals(
                                Float.floatToRawIntBits(expected),
                                Float.floatToRawIntBits(wide[i + 7]),
                                type + " " + i);
                    }
                }
                assertEquals(0f, wide[65535 + 7]);
            }
        }
    }

    @Test
    void rejectsWhatCannotBeRight() {
        assertThrows(IllegalArgumentException.class, () -> Gemm.f32(-1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, false));
        assertThrows(IllegalArgumentException.class, () -> Gemm.f32(2, 3, 1, 0, 1, 1, 0, 1, 1, 0, 2, 0, false));
        assertThrows(
                IllegalArgumentException.class,
                () -> Gemm.f32Batched(2, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0, true));
        var e = assertThrows(
                TensorException.class, () -> Gemm.weights(DType.I32, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, false));
        assertTrue(e.getMessage().contains("I32"), e.getMessage());
    }
}
