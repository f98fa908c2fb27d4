package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.GemmFixture.normal;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.GemmFixture.Layout;
import io.quern.tensor.cpu.x86.MachineCode;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Machine code gives the bits of the kernels on the Vector API, and touches nothing outside of its operands. */
class GemmMachineTest {
    private static final GemmDriver TWIN = new GemmDriver(GemmKernel.preferred());
    private static final int[] DEPTHS = {1, 2, 3, 15, 16, 17, 31, 33, 64, 100};
    private int before;

    @BeforeEach
    void remember() {
        assumeTrue(MachineCode.isUsed(), MachineCode.description());
        before = Workers.threads();
    }

    @AfterEach
    void restore() {
        if (MachineCode.isUsed()) {
            Workers.setThreads(before);
        }
    }

    private static void same(GemmFixture f) {
        float[] expected = f.result(TWIN::run);
        assertArrayEquals(expected, f.result(GemmMachine::run), () -> f.call().toString());
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void allHeightsAndWidths(Layout left) {
        int turn = 0;
        for (Layout right : Layout.values()) {
            for (int m = 1; m <= 30; m++) {
                for (int n : new int[] {1 + turn % 15, 16, 17 + turn % 15, 32, 33 + turn % 31, 150 + turn % 40}) {
                    int k = DEPTHS[turn++ % DEPTHS.length];
                    try (var f = new GemmFixture(m, n, k, left, right, DType.F32, turn % 4, normal(turn))) {
                        f.accumulate = turn % 3 == 0;
                        if (turn % 2 == 0) {
                            f.withBias(normal(1));
                        }
                        same(f);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16"})
    void narrowWeights(DType type) {
        int turn = 0;
        for (Layout right : Layout.values()) {
            for (int n = 1; n <= 70; n += 3) {
                int k = DEPTHS[turn++ % DEPTHS.length];
                try (var f = new GemmFixture(9 + turn % 30, n, k, Layout.N, right, type, turn % 4, normal(turn))) {
                    same(f.withBias(normal(1)));
                }
            }
        }
    }

    /** Several boxes, blocks, stretches of k and groups; A packed and as it is. */
    @Test
    void largeSizesForAnyNumberOfThreads() {
        int[][] shapes = {
            {1100, 300, 30},
            {1030, 70, 1600},
            {300, 257, 1000},
            {520, 1200, 20},
            {130, 600, 800},
            {20, 2000, 900},
            {1500, 260, 770}
        };
        for (int[] s : shapes) {
            for (Layout left : new Layout[] {Layout.N, Layout.T}) {
                for (Layout right : new Layout[] {Layout.N, Layout.T}) {
                    try (var f = new GemmFixture(s[0], s[1], s[2], left, right, DType.F32, 1, normal(5))) {
                        float[] expected = f.withBias(normal(6)).accumulating().result(TWIN::run);
                        for (int threads : new int[] {1, 2, 3, 7}) {
                            Workers.setThreads(threads);
                            assertArrayEquals(expected, f.result(GemmMachine::run), threads + " threads");
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
            GuardPages[] pages = {pa, pb, pc, pBias};
            for (GuardPages p : pages) {
                for (int i = 0; i < bytes; i += 4) {
                    OffHeap.setFloat(p.first() + i, (i * 31 & 255) - 128);
                }
            }
            for (boolean end : new boolean[] {true, false}) {
                for (int layout = 0; layout < 4; layout++) {
                    for (int m = 1; m <= 29; m++) {
                        for (int n : new int[] {1, 15, 16, 17, 31, 32, 33, 50, 64, 65, 200}) {
                            int k = DEPTHS[turn % DEPTHS.length];
                            DType type = turn++ % 3 == 0 ? DType.BF16 : turn % 3 == 1 ? DType.F16 : DType.F32;
                            long a = end ? pa.last(4L * m * k) : pa.first();
                            long b = end ? pb.last((long) type.bytes() * k * n) : pb.first();
                            long c = end ? pc.last(4L * m * n) : pc.first();
                            long bias = end ? pBias.last(4L * n) : pBias.first();
                            boolean at = layout % 2 == 1;
                            boolean bt = layout / 2 == 1;
                            GemmCall g = new GemmCall(
                                    m,
                                    n,
                                    k,
                                    a,
                                    at ? 1 : k,
                                    at ? m : 1,
                                    type,
                                    b,
                                    bt ? 1 : n,
                                    bt ? k : 1,
                                    c,
                                    n,
                                    bias,
                                    false);
                            GemmMachine.run(g);
                            float[] found = read(c, m * n);
                            TWIN.run(g);
                            assertArrayEquals(read(c, m * n), found, g::toString);
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

    @Test
    void notANumberStaysInItsRowAndColumn() {
        try (var f = new GemmFixture(40, 50, 60, Layout.N, Layout.N, DType.F32, 0, normal(9))) {
            f.setA(3, 7, Float.NaN);
            f.setB(5, 49, Float.POSITIVE_INFINITY);
            float[] found = f.result(GemmMachine::run);
            for (int i = 0; i < 40; i++) {
                for (int j = 0; j < 50; j++) {
                    assertEquals(i != 3 && j != 49, Float.isFinite(f.at(found, i, j)), i + ", " + j);
                }
            }
        }
    }
}
