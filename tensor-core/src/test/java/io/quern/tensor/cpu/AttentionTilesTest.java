package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Op;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention of many queries in machine code, forward and backward, against the scalar twin in F64. */
class AttentionTilesTest {
    private static final Kernels SCALAR = new ScalarKernels();
    private static final Kernels VECTOR = new VectorKernels();
    private static final int THREADS = Workers.threads();

    @BeforeEach
    void needsMachineCode() {
        assumeTrue(MachineCode.isUsed(), MachineCode.description());
    }

    @AfterEach
    void threads() {
        Workers.setThreads(THREADS);
    }

    @Test
    void servesWholeVectorsAndPositiveScales() {
        assertTrue(AttentionTiles.serves(64, false, 0.1));
        assertTrue(AttentionTiles.serves(16, false, 1));
        assertFalse(AttentionTiles.serves(24, false, 0.1));
        assertFalse(AttentionTiles.serves(0, false, 0.1));
        assertFalse(AttentionTiles.serves(64, true, 0.1));
        assertFalse(AttentionTiles.serves(64, false, 0));
        assertFalse(AttentionTiles.serves(64, false, -1));
        assertFalse(AttentionTiles.serves(64, false, Double.NaN));
    }

    private static Tensor normal(long seed, int... dims) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] x = new float[Math.toIntExact(Shape.of(dims).size())];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return Tensor.of(x, dims);
    }

    private static List<Tensor> run(Kernels kernels, Op op) {
        Tensor[] in = op.inputs().toArray(new Tensor[0]);
        List<Tensor> out = new ArrayList<>();
        for (var spec : op.outputs()) {
            out.add(Tensor.full(Device.CPU, spec.dtype(), spec.shape(), 9));
        }
        kernels.run(op, in, out.toArray(new Tensor[0]));
        return out;
    }

    /** Queries, keys and values are views of one tensor, as they are in a model, where their numbers are the same. */
    private static Tensor[] operands(int size, int queries, int keys, int heads, int keyHeads) {
        if (queries == keys && heads == keyHeads) {
            Tensor qkv = normal(1, 2, queries, 3, heads, size);
            return new Tensor[] {qkv.select(2, 0), qkv.select(2, 1), qkv.select(2, 2)};
        }
        return new Tensor[] {
            normal(1, 2, queries, heads, size), normal(2, 2, keys, keyHeads, size), normal(3, 2, keys, keyHeads, size)
        };
    }

    /** Every third key, and all keys of the second sequence up to the fifth. */
    private static Tensor mask(int keys) {
        int[] mask = new int[2 * keys];
        for (int j = 0; j < keys; j++) {
            mask[j] = j % 3 == 1 ? 0 : 1;
            mask[keys + j] = j < 5 ? 0 : 1;
        }
        return Tensor.of(mask, 2, keys);
    }

    private static Tensor wide(Tensor t) {
        return t == null || !t.dtype().isFloating() ? t : t.cast(DType.F64);
    }

    @ParameterizedTest
    @CsvSource({
        "64, 4, 4, 2, 2",
        "64, 13, 13, 1, 1",
        "64, 14, 14, 1, 1",
        "64, 15, 15, 3, 3",
        "64, 33, 33, 2, 2",
        "64, 127, 127, 2, 2",
        "64, 150, 150, 2, 2",
        "16, 37, 40, 4, 2",
        "32, 5, 70, 2, 1",
        "48, 31, 17, 3, 3",
        "80, 20, 20, 2, 2",
        "112, 16, 48, 1, 1",
        "128, 29, 65, 2, 2",
        "256, 6, 9, 1, 1",
        "16, 20, 1100, 1, 1",
        "64, 600, 600, 1, 1"
    })
    void isAttention(int size, int queries, int keys, int heads, int keyHeads) {
        for (boolean causal : new boolean[] {true, false}) {
            for (boolean masked : new boolean[] {false, true}) {
                for (double dropout : queries < 50 ? new double[] {0, 0.25} : new double[] {0}) {
                    Scope.run(() -> {
                        compare(
                                operands(size, queries, keys, heads, keyHeads),
                                masked ? mask(keys) : null,
                                new Attention.Options(causal, 0.3, dropout, 3, 4));
                        return null;
                    });
                }
            }
        }
    }

    private static void compare(Tensor[] x, Tensor mask, Attention.Options options) {
        Attention.Forward op = new Attention.Forward(x[0], x[1], x[2], mask, null, options);
        Attention.Forward exact = new Attention.Forward(wide(x[0]), wide(x[1]), wide(x[2]), mask, null, options);
        List<Tensor> out = run(VECTOR, op);
        List<Tensor> expected = run(SCALAR, exact);
        same("out", expected.get(0), out.get(0), 4e-6);
        same("lse", expected.get(1), out.get(1), 4e-6);
        Tensor dOut = normal(5, x[0].shape().dims());
        List<Tensor> gradients =
                run(VECTOR, new Attention.Gradient(x[0], x[1], x[2], mask, out.get(0), out.get(1), dOut, options));
        List<Tensor> exactGradients = run(
                SCALAR,
                new Attention.Gradient(
                        exact.q(), exact.k(), exact.v(), mask, expected.get(0), expected.get(1), wide(dOut), options));
        for (int i = 0; i < 3; i++) {
            same("gradient " + i, exactGradients.get(i), gradients.get(i), 3e-5);
        }
    }

    private static void same(String what, Tensor expected, Tensor found, double tolerance) {
        double[] e = expected.toDoubles();
        float[] f = found.toFloats();
        double largest = 1;
        for (double v : e) {
            largest = Math.max(largest, Double.isInfinite(v) ? 0 : Math.abs(v));
        }
        for (int i = 0; i < e.length; i++) {
            if (e[i] == f[i]) {
                continue;
            }
            assertEquals(e[i], f[i], tolerance * largest, what + " " + i + " of " + expected.shape());
        }
    }

    @Test
    void isTheSameBitsForAnyNumberOfThreads() {
        Scope.run(() -> {
            Tensor[] x = operands(64, 700, 700, 2, 2);
            Op forward = new Attention.Forward(x[0], x[1], x[2], null, null, Attention.Options.causal(0.125));
            List<Tensor> out = run(VECTOR, forward);
            Tensor dOut = normal(5, x[0].shape().dims());
            Op backward = new Attention.Gradient(
                    x[0], x[1], x[2], null, out.get(0), out.get(1), dOut, Attention.Options.causal(0.125));
            for (Op op : new Op[] {forward, backward}) {
                Workers.setThreads(1);
                List<Tensor> want = run(VECTOR, op);
                for (int threads : new int[] {2, 7}) {
                    Workers.setThreads(threads);
                    List<Tensor> got = run(VECTOR, op);
                    for (int i = 0; i < want.size(); i++) {
                        assertArrayEquals(
                                want.get(i).data().toArray(ValueLayout.JAVA_BYTE),
                                got.get(i).data().toArray(ValueLayout.JAVA_BYTE));
                    }
                }
            }
            return null;
        });
    }

    /** A NaN or an infinite score spoils its own query, and no other one. */
    @Test
    void nanStaysInItsRow() {
        Scope.run(() -> {
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                Tensor[] x = operands(32, 20, 20, 1, 1);
                Tensor q = x[0].copy();
                OffHeap.setFloat(q.address() + 4L * 32 * 7, bad);
                Op op = new Attention.Forward(q, x[1], x[2], null, null, Attention.Options.causal(1));
                float[] out = run(VECTOR, op).getFirst().toFloats();
                for (int i = 0; i < out.length / 2; i++) {
                    assertEquals(i / 32 == 7, Float.isNaN(out[i]), bad + " at " + i);
                }
            }
            return null;
        });
    }

    /** Operands and results end where a page begins that nobody may touch. */
    @ParameterizedTest
    @CsvSource({"16, 5, 3", "16, 17, 17", "48, 14, 33", "64, 30, 31"})
    void touchesNothingElse(int size, int queries, int keys) {
        List<GuardPages> guards = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(1);
        try {
            Rows[] rows = new Rows[8];
            for (int i = 0; i < rows.length; i++) {
                int n = i == 0 || i == 3 || i == 4 || i == 5 ? queries : keys;
                GuardPages pages = new GuardPages(4L * n * size);
                guards.add(pages);
                long at = pages.last(4L * n * size);
                for (int e = 0; e < n * size; e++) {
                    OffHeap.setFloat(at + 4L * e, (float) random.nextDouble(-1, 1));
                }
                rows[i] = new Rows(at, 0, size, 0);
            }
            GuardPages sums = new GuardPages(4L * queries);
            guards.add(sums);
            long lse = sums.last(4L * queries);
            Call c = new Call(
                    1, queries, keys, 1, 1, size, rows[0], rows[1], rows[2], 0, 0, Attention.Options.causal(0.2));
            AttentionMachineForward.run(c, rows[3], lse);
            AttentionMachineBackward.run(c, rows[3], lse, rows[4], rows[5], rows[6], rows[7]);
            for (int e = 0; e < queries * size; e++) {
                assertTrue(Float.isFinite(OffHeap.getFloat(rows[5].base() + 4L * e)));
            }
        } finally {
            guards.forEach(GuardPages::close);
        }
    }
}
