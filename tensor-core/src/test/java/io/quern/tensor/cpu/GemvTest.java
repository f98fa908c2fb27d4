package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.RowsCode;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Products with few rows, by the Vector API and by machine code, whatever this process would choose. */
class GemvTest {
    private int before;

    @BeforeEach
    void remember() {
        before = Workers.threads();
    }

    @AfterEach
    void restore() {
        Workers.setThreads(before);
    }

    /** By what a product is computed. */
    enum Means {
        VECTORS("Vector API"),
        FLOATS("machine code"),
        FIXED("machine code in fixed point");

        final String words;

        Means(String words) {
            this.words = words;
        }
    }

    /** How a product is computed, of which format and layout. */
    record Way(Means means, DType type, boolean alongK) {
        /** Of W that follows k, as linear layers hold it, or n, as GPT-2 does. */
        void run(GemmCall g) {
            if (means == Means.VECTORS) {
                Gemv.vectors(g);
            } else {
                GemvMachine.run(g, means == Means.FIXED);
            }
        }

        boolean machine() {
            return means != Means.VECTORS;
        }

        void assumePresent() {
            assumeTrue(!machine() || MachineCode.isUsed(), "no machine code here: " + MachineCode.description());
            assumeTrue(means != Means.FIXED || RowsCode.canFix(type), "no VNNI or VBMI here");
        }

        @Override
        public String toString() {
            return means.words + ", " + type + (alongK ? " [n, k]" : " [k, n]");
        }
    }

    static Stream<Way> ways() {
        return Stream.of(Means.values())
                .flatMap(means -> Stream.of(DType.values())
                        .filter(t -> t != DType.F64 && t != DType.I32)
                        .filter(t -> means != Means.FIXED || FIXED.contains(t))
                        .flatMap(t -> Stream.of(true, false)
                                .filter(alongK -> alongK || !t.isQuantized())
                                .map(alongK -> new Way(means, t, alongK))));
    }

    /** Formats that x in fixed point may meet. */
    private static final Set<DType> FIXED = Set.of(DType.Q4_0, DType.Q4_K, DType.Q6_K);

    @Test
    void machineCodeServesEveryFormatWhereItIsUsed() {
        for (Way way : ways().filter(Way::machine).toList()) {
            try (GemvFixture f = new GemvFixture(way.type, way.alongK, 1, 5, 256)) {
                assertEquals(MachineCode.isUsed(), GemvMachine.serves(f.call()), way.toString());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void allSizes(Way way) {
        way.assumePresent();
        int b = way.type.blockSize();
        int[] ks = b > 1
                ? new int[] {b, 2 * b, 3 * b, 5 * b, 8 * b}
                : new int[] {1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 130};
        int[] ns = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33, 63, 64, 66, 130};
        int turn = 0;
        for (int m = 1; m <= Gemv.ROWS; m++) {
            for (int n : ns) {
                int k = ks[turn++ % ks.length];
                try (GemvFixture f = new GemvFixture(way.type, way.alongK, m, n, k)) {
                    f.hasBias = turn % 3 != 0;
                    f.accumulate = turn % 4 == 0;
                    f.check(way::run);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void sizesOfModels(Way way) {
        way.assumePresent();
        for (int[] s : new int[][] {{1, 768, 768}, {3, 300, 3072}, {1, 5000, 256}, {6, 129, 1280}}) {
            try (GemvFixture f = new GemvFixture(way.type, way.alongK, s[0], s[1], s[2])) {
                f.hasBias = true;
                f.check(way::run);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void rowsOfXMayLieAnyhow(Way way) {
        way.assumePresent();
        for (int m : new int[] {1, 2, 5}) {
            try (GemvFixture f = new GemvFixture(way.type, way.alongK, m, 21, 256)) {
                f.turnX();
                f.check(way::run);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void theSameBitsForAnyNumberOfThreads(Way way) {
        way.assumePresent();
        for (int m : new int[] {1, 4, 7}) {
            try (GemvFixture f = new GemvFixture(way.type, way.alongK, m, 403, 1536)) {
                Workers.setThreads(1);
                float[] one = f.result(way::run);
                for (int threads = 2; threads <= 7; threads++) {
                    Workers.setThreads(threads);
                    assertArrayEquals(one, f.result(way::run), m + " rows, " + threads + " threads");
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void theSameBitsForAnyNumberOfRows(Way way) {
        way.assumePresent();
        int k = way.type.isQuantized() ? 512 : 517;
        for (int m = 2; m <= Gemv.ROWS; m++) {
            try (GemvFixture f = new GemvFixture(way.type, way.alongK, m, 75, k)) {
                float[] all = f.result(way::run);
                float[] each = f.result(g -> {
                    for (int i = 0; i < g.m(); i++) {
                        way.run(f.row(i));
                    }
                });
                assertArrayEquals(each, all, m + " rows");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void nanAndInfinityPropagate(Way way) {
        way.assumePresent();
        try (GemvFixture f = new GemvFixture(way.type, way.alongK, 2, 9, 256)) {
            f.setX(0, 17, Float.NaN);
            f.setX(1, 255, Float.POSITIVE_INFINITY);
            float[] y = f.result(way::run);
            for (int j = 0; j < 9; j++) {
                assertTrue(Float.isNaN(f.at(y, 0, j)));
                assertTrue(!Float.isFinite(f.at(y, 1, j)));
            }
        }
    }

    /** Nothing of one call is left to the next: several threads call at once, each for itself. */
    @ParameterizedTest
    @MethodSource("ways")
    void manyCallersAtOnce(Way way) throws InterruptedException {
        way.assumePresent();
        Workers.setThreads(2);
        List<String> wrong = java.util.Collections.synchronizedList(new java.util.ArrayList<>());
        Thread[] callers = new Thread[4];
        for (int t = 0; t < callers.length; t++) {
            int n = 40 + t;
            callers[t] = Thread.ofPlatform().start(() -> {
                try (GemvFixture f = new GemvFixture(way.type, way.alongK, 3, n, 512)) {
                    float[] first = f.result(way::run);
                    for (int round = 0; round < 20; round++) {
                        if (!Arrays.equals(first, f.result(way::run))) {
                            wrong.add("n " + n + ", round " + round);
                        }
                    }
                }
            });
        }
        for (Thread t : callers) {
            t.join();
        }
        assertEquals(List.of(), wrong);
    }

    static Stream<Way> fixedWays() {
        return ways().filter(w -> w.means == Means.FIXED);
    }

    /** Each x is off by at most half of what the largest of its 32 numbers is a multiple of, which one of them makes large. */
    @ParameterizedTest
    @MethodSource("fixedWays")
    void fixedPointIsAsExactAsItsUnit(Way way) {
        way.assumePresent();
        int k = 768;
        for (float large : new float[] {1, 1e3f, 1e30f, 1e-12f, 1e-20f}) {
            try (GemvFixture f = new GemvFixture(way.type, true, 2, 40, k)) {
                SplittableRandom random = new SplittableRandom(1);
                for (int i = 0; i < 2; i++) {
                    for (int p = 0; p < k; p++) {
                        float size = p % 32 == 7 ? large : Math.min(large, 1);
                        f.setX(i, p, size * (float) random.nextDouble(-1, 1));
                    }
                }
                f.checkFixed(way::run, 1f / 400_000);
            }
        }
    }

    /** A number that is not finite has no digits: nothing of its block may come out as a number, nor as infinity of any sign. */
    @ParameterizedTest
    @MethodSource("fixedWays")
    void whatIsNotFiniteMakesNanInFixedPoint(Way way) {
        way.assumePresent();
        for (float wrong : new float[] {Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN}) {
            try (GemvFixture f = new GemvFixture(way.type, true, 3, 9, 256)) {
                f.setX(1, 200, wrong);
                float[] y = f.result(way::run);
                for (int j = 0; j < 9; j++) {
                    assertTrue(Float.isFinite(f.at(y, 0, j)));
                    assertTrue(Float.isNaN(f.at(y, 1, j)), wrong + " makes " + f.at(y, 1, j));
                    assertTrue(Float.isFinite(f.at(y, 2, j)));
                }
            }
        }
    }

    /** The largest sums that whole numbers of 32 bits have to hold, of both signs. */
    @ParameterizedTest
    @MethodSource("fixedWays")
    void sumsOfTheLargestNumbersFit(Way way) {
        way.assumePresent();
        int k = 512;
        for (float w : new float[] {1, -1}) {
            for (float x : new float[] {1, -1, 0}) {
                try (GemvFixture f = new GemvFixture(way.type, true, 3, 9, k)) {
                    f.setAll(x, w);
                    float[] y = f.result(way::run);
                    for (int i = 0; i < 3; i++) {
                        for (int j = 0; j < 9; j++) {
                            assertEquals(k * w * x, f.at(y, i, j), 2e-3f * k, way + ", " + w + " times " + x);
                        }
                    }
                }
            }
        }
    }

    @Test
    void theFormatsInFixedPoint() {
        for (DType type : DType.values()) {
            if (RowsCode.canFix(type) != (FIXED.contains(type) && RowsCode.canFix(DType.Q4_0))) {
                throw new AssertionError(type + " is not in the list of those tested");
            }
        }
    }

    /** Every scale in binary16 stands for its number. */
    @Test
    void scalesAreWidenedExactly() {
        assumeTrue(MachineCode.isUsed());
        Consumer<GemmCall> machine = g -> GemvMachine.run(g, false);
        SplittableRandom random = new SplittableRandom(1);
        try (GemvFixture f = new GemvFixture(DType.Q8_0, true, 1, 1024, 32)) {
            f.onlyFirst(); // x is 1, 0, 0, ...
            for (int round = 0; round < 8; round++) {
                int from = round * 8192 + random.nextInt(7);
                for (int j = 0; j < 1024; j++) {
                    f.setBlock(j, (short) (from + 8 * j), (byte) 1);
                }
                float[] y = f.result(machine);
                for (int j = 0; j < 1024; j++) {
                    float scale = Float.float16ToFloat((short) (from + 8 * j));
                    assertEquals(0 + scale, f.at(y, 0, j));
                }
            }
        }
    }
}
