package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.GemmFixture.normal;
import static io.quern.tensor.cpu.GemmFixture.whole;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.GemmFixture.Layout;
import io.quern.tensor.cpu.x86.MatrixUnit;
import java.util.SplittableRandom;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products on AMX tiles keep the bounds of error of multiply-adds, and touch nothing outside of their operands. */
class AmxMachineTest {
    private static final int[] DEPTHS = {5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100};
    private int before;

    @BeforeEach
    void remember() {
        assumeTrue(MatrixUnit.isUsed(), MatrixUnit.description());
        before = Workers.threads();
    }

    @AfterEach
    void restore() {
        if (MatrixUnit.isUsed()) {
            Workers.setThreads(before);
        }
    }

    private static void tiles(GemmCall g) {
        AmxMachine.run(g, DType.F32);
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void allHeightsAndWidths(Layout left) {
        int turn = 0;
        for (Layout right : Layout.values()) {
            for (int m : new int[] {1, 2, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100}) {
                for (int n : new int[] {1 + turn % 15, 16, 17 + turn % 15, 32, 33 + turn % 31, 150 + turn % 40}) {
                    int k = DEPTHS[turn++ % DEPTHS.length];
                    DType type = turn % 3 == 0 ? DType.BF16 : turn % 3 == 1 ? DType.F16 : DType.F32;
                    try (var f = new GemmFixture(m, n, k, left, right, type, turn % 4, normal(turn))) {
                        f.accumulate = turn % 5 < 2;
                        if (turn % 2 == 0) {
                            f.withBias(normal(1));
                        }
                        f.check(AmxMachineTest::tiles, false);
                    }
                }
            }
        }
    }

    /** Where all numbers of A have fewer bits, it has fewer parts. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16"})
    void numbersOfFewBitsOnBothSides(DType type) {
        DoubleSupplier normal = normal(8);
        DoubleSupplier few = () -> {
            float v = (float) normal.getAsDouble();
            return type == DType.BF16
                    ? Float.intBitsToFloat(Float.floatToRawIntBits(v) & 0xffff0000)
                    : Float.float16ToFloat(Float.floatToFloat16(v));
        };
        for (Layout left : Layout.values()) {
            for (int[] s : new int[][] {{64, 64, 64}, {33, 70, 901}, {100, 17, 47}}) {
                try (var f = new GemmFixture(s[0], s[1], s[2], left, Layout.N, type, 1, few)) {
                    f.withBias(normal(1)).check(g -> AmxMachine.run(g, type), false);
                }
            }
        }
    }

    /** Through tensors: the product of halves is that of the same numbers in F32, rounded. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16"})
    void tensorsOfHalves(DType type) {
        Scope.run(() -> Tape.noGrad(() -> {
            Rng rng = new Rng(3);
            Tensor a = Tensor.randn(rng, 1, 100, 200).cast(type);
            Tensor b = Tensor.randn(rng, 1, 200, 130).cast(type);
            float[] wide = a.cast(DType.F32).matmul(b.cast(DType.F32)).toFloats();
            float[] found = a.matmul(b).cast(DType.F32).toFloats();
            float unit = type == DType.BF16 ? 0x1p-8f : 0x1p-11f;
            for (int i = 0; i < wide.length; i++) {
                assertEquals(wide[i], found[i], Math.abs(wide[i]) * unit * 1.01 + 1e-4);
            }
            return 0;
        }));
    }

    /** Several boxes, stretches of k and groups. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16", "F16"})
    void largeSizesForAnyNumberOfThreads(DType type) {
        int[][] shapes = {{600, 300, 70}, {230, 70, 1700}, {300, 257, 1000}, {40, 1200, 770}};
        for (int[] s : shapes) {
            for (Layout left : new Layout[] {Layout.N, Layout.T}) {
                for (Layout right : new Layout[] {Layout.N, Layout.T}) {
                    try (var f = new GemmFixture(s[0], s[1], s[2], left, right, type, 1, whole(5))) {
                        f.withBias(whole(6)).accumulating().check(AmxMachineTest::tiles, true);
                    }
                    try (var f = new GemmFixture(s[0], s[1], s[2], left, right, type, 0, normal(7))) {
                        Workers.setThreads(1);
                        float[] one = f.result(AmxMachineTest::tiles);
                        for (int threads = 2; threads <= 7; threads += 1 + threads % 2) {
                            Workers.setThreads(threads);
                            assertArrayEquals(one, f.result(AmxMachineTest::tiles), threads + " threads");
                        }
                    }
                }
            }
        }
    }

    /** All operands end, then begin, at a page that must not be touched. */
    @Test
    void touchesNothingOutside() {
        int turn = 0;
        int bytes = 1 << 20;
        try (var pa = new GuardPages(bytes);
                var pb = new GuardPages(bytes);
                var pc = new GuardPages(bytes);
                var pBias = new GuardPages(bytes)) {
            for (GuardPages p : new GuardPages[] {pa, pb, pc, pBias}) {
                for (int i = 0; i < bytes; i += 4) {
                    OffHeap.setFloat(p.first() + i, (i * 31 & 255) - 128); // in bf16 too, as pairs with 0
                }
            }
            for (boolean end : new boolean[] {true, false}) {
                for (int layout = 0; layout < 4; layout++) {
                    for (int m : new int[] {1, 15, 16, 17, 31, 32, 33, 65}) {
                        for (int n : new int[] {1, 15, 16, 17, 31, 32, 33, 50, 64, 65, 200}) {
                            int k = DEPTHS[turn % DEPTHS.length];
                            DType type = turn++ % 2 == 0 ? DType.BF16 : DType.F32;
                            boolean at = layout % 2 == 1;
                            boolean bt = layout / 2 == 1;
                            GemmCall g = new GemmCall(
                                    m,
                                    n,
                                    k,
                                    end ? pa.last(4L * m * k) : pa.first(),
                                    at ? 1 : k,
                                    at ? m : 1,
                                    type,
                                    end ? pb.last((long) type.bytes() * k * n) : pb.first(),
                                    bt ? 1 : n,
                                    bt ? k : 1,
                                    end ? pc.last(4L * m * n) : pc.first(),
                                    n,
                                    end ? pBias.last(4L * n) : pBias.first(),
                                    false);
                            tiles(g);
                            float[] found = read(g.c(), m * n);
                            GemmMachine.run(g);
                            assertArrayEquals(read(g.c(), m * n), found, g::toString); // whole numbers: no rounding
                        }
                    }
                }
            }
        }
    }

    private static float[] read(long address, int count) {
        float[] values = new float[count];
        OffHeap.read(address, values, 0, count);
        return values;
    }

    /** Infinite numbers and NaN have the results that multiply-adds have, also next to zeros and numbers of one part. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatIsNotFiniteComesOutAsFromMultiplyAdds(boolean accumulate) {
        for (Layout layout : new Layout[] {Layout.N, Layout.T}) {
            for (int k : new int[] {70, 800}) {
                try (var f = new GemmFixture(70, 100, k, layout, layout, DType.F32, 0, whole(3))) {
                    f.accumulate = accumulate;
                    f.withBias(whole(4));
                    f.setA(3, 7, Float.NaN);
                    f.setA(35, 8, Float.POSITIVE_INFINITY);
                    f.setA(69, k - 1, Float.NEGATIVE_INFINITY);
                    f.setB(5, 99, Float.POSITIVE_INFINITY);
                    f.setB(6, 40, Float.intBitsToFloat(0x7f800001)); // a NaN whose upper half is infinity's
                    f.setA(10, 9, Float.MAX_VALUE);
                    f.setB(9, 10, Float.MAX_VALUE);
                    float[] expected = f.result(GemmMachine::run);
                    float[] found = f.result(AmxMachineTest::tiles);
                    for (int i = 0; i < expected.length; i++) {
                        boolean finite = Float.isFinite(expected[i]);
                        // rows and columns with large numbers round, the others are exact
                        float allowed = finite ? Math.abs(expected[i]) * 0x1p-20f : 0;
                        assertTrue(
                                finite
                                        ? Math.abs(expected[i] - found[i]) <= allowed
                                        : Float.compare(expected[i], found[i]) == 0,
                                "at " + i + ": " + expected[i] + ", found " + found[i]);
                    }
                }
            }
        }
    }

    /** The largest numbers do not overflow where they are split. */
    @Test
    void numbersNearTheLargest() {
        try (var f = new GemmFixture(40, 40, 64, Layout.N, Layout.N, DType.F32, 0, () -> 0)) {
            for (int i = 0; i < 40; i++) {
                f.setA(i, i, Math.nextDown(Float.MAX_VALUE));
                f.setB(i, i, 0.999999f);
            }
            f.check(AmxMachineTest::tiles, false);
        }
    }

    /** Parts below 2^-126 count as zero: an operand is off by at most that. */
    @Test
    void smallestNumbersLoseAtMostTheirDenormalParts() {
        SplittableRandom random = new SplittableRandom(1);
        DoubleSupplier tiny = () -> Math.scalb(random.nextDouble() + 1, random.nextInt(-149, -100));
        int k = 96;
        try (var f = new GemmFixture(33, 34, k, Layout.N, Layout.T, DType.F32, 0, tiny)) {
            for (int p = 0; p < k; p++) {
                for (int j = 0; j < 34; j++) {
                    f.setB(p, j, (float) Math.scalb(random.nextDouble() + 1, 100));
                }
            }
            float[] found = f.result(AmxMachineTest::tiles);
            GemmCall g = f.call();
            for (int i = 0; i < 33; i++) {
                for (int j = 0; j < 34; j++) {
                    double sum = 0;
                    double others = 0;
                    for (int p = 0; p < k; p++) {
                        double b = OffHeap.getFloat(g.bAt(p, j));
                        sum += OffHeap.getFloat(g.aAt(i, p)) * b;
                        others += b;
                    }
                    double allowed = (k + 2) * 0x1p-24 * sum + 0x1p-126 * others;
                    assertEquals(sum, f.at(found, i, j), allowed);
                }
            }
        }
    }

    /** How numbers lie: by size, by sign, and whether their products cancel. */
    private enum Values {
        NORMAL,
        POSITIVE,
        SOME_LARGE,
        OVER_2_TO_40,
        OVER_2_TO_120,
        CANCELLING;

        float next(SplittableRandom r) {
            float v = (float) r.nextGaussian();
            return switch (this) {
                case NORMAL, CANCELLING -> v;
                case POSITIVE -> r.nextFloat();
                case SOME_LARGE -> r.nextInt(8) == 0 ? 1000 * v : v;
                case OVER_2_TO_40 -> Math.scalb(v, r.nextInt(-20, 21));
                case OVER_2_TO_120 -> Math.scalb(v, r.nextInt(-60, 61));
            };
        }
    }

    /** Against sums in double, as multiples of 2^-24 of the sum of absolute products: largest, and root of mean square. */
    private static double[] errors(GemmFixture f, float[] found) {
        GemmCall g = f.call();
        double largest = 0;
        double squares = 0;
        for (int i = 0; i < f.m; i++) {
            for (int j = 0; j < f.n; j++) {
                double sum = 0;
                double size = 0;
                for (int p = 0; p < f.k; p++) {
                    double term = (double) OffHeap.getFloat(g.aAt(i, p)) * GemmReference.element(f.type, g.bAt(p, j));
                    sum += term;
                    size += Math.abs(term);
                }
                double error = Math.abs(f.at(found, i, j) - sum) / size * 0x1p24;
                largest = Math.max(largest, error);
                squares += error * error;
            }
        }
        return new double[] {largest, Math.sqrt(squares / f.m / f.n)};
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16", "F16"})
    void noLessExactThanMultiplyAdds(DType type) {
        for (Values values : Values.values()) {
            if (type == DType.F16 && values.ordinal() > Values.SOME_LARGE.ordinal()) {
                continue; // no room for these
            }
            for (int k : new int[] {64, 300, 768, 2000}) {
                SplittableRandom random = new SplittableRandom(k);
                try (var f = new GemmFixture(64, 96, k, Layout.N, Layout.N, type, 0, () -> values.next(random))) {
                    if (values == Values.CANCELLING && type == DType.F32) {
                        cancel(f, random);
                    }
                    double[] fused = errors(f, f.result(GemmMachine::run));
                    double[] tiles = errors(f, f.result(AmxMachineTest::tiles));
                    String what = type + ", " + values + ", k " + k + ": rms " + tiles[1] + ", multiply-adds "
                            + fused[1] + "; largest " + tiles[0] + ", " + fused[0];
                    // a few products of very different size make the whole sum: the roundings of one count most
                    double some = values == Values.OVER_2_TO_120 ? 1.15 : 1;
                    assertTrue(tiles[1] <= some * fused[1], what);
                    assertTrue(tiles[0] <= 2 * fused[0], what);
                }
            }
        }
    }

    /** Makes the second half of each sum the first one's opposite, up to 1e-4. */
    private static void cancel(GemmFixture f, SplittableRandom random) {
        GemmCall g = f.call();
        for (int p = f.k / 2; p < f.k; p++) {
            for (int i = 0; i < f.m; i++) {
                f.setA(i, p, OffHeap.getFloat(g.aAt(i, p - f.k / 2)));
            }
            for (int j = 0; j < f.n; j++) {
                f.setB(p, j, -OffHeap.getFloat(g.bAt(p - f.k / 2, j)) * (1 + 1e-4f * random.nextFloat()));
            }
        }
    }
}
