package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.Compare;
import io.quern.tensor.check.Tolerance;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Elementwise.UnaryKind;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The vector kernels on sizes of several tasks, through views and on special numbers, and their promise that results do
 * not depend on threads; {@link KernelsTest} has the catalogue.
 */
class VectorKernelsTest {
    private static final Kernels VECTOR = new VectorKernels();
    private static final Kernels SCALAR = new ScalarKernels();

    @AfterEach
    void restoreThreads() {
        Workers.setThreads(Runtime.getRuntime().availableProcessors());
    }

    /** As the engine runs an operation, with the given kernels; the operands after it for updates. */
    private static List<Tensor> run(Kernels kernels, Op op) {
        List<Op.Spec> specs = op.outputs();
        Tensor[] in = op.inputs().toArray(new Tensor[0]);
        for (int i = 0; i < in.length; i++) {
            if (in[i] != null && !fits(in[i], op.layout(i))) {
                in[i] = in[i].copy();
            }
        }
        Tensor[] out = new Tensor[specs.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = Tensor.empty(Device.CPU, specs.get(i).dtype(), specs.get(i).shape());
        }
        kernels.run(op, in, out);
        return op instanceof Update ? op.inputs() : List.of(out);
    }

    private static boolean fits(Tensor t, Op.Layout layout) {
        return t.isPacked()
                || switch (layout) {
                    case PACKED -> false;
                    case ROWS -> t.stride(-1) == 1;
                    case MATRIX ->
                        t.stride(-1) == 1 && t.stride(-2) >= t.dim(-1)
                                || t.stride(-2) == 1 && t.stride(-1) >= t.dim(-2);
                    case ANY -> true;
                };
    }

    private static void compare(Supplier<Op> draw) {
        Scope.run(() -> {
            Op op = draw.get();
            List<Tensor> got = run(VECTOR, op);
            List<Tensor> want = run(SCALAR, draw.get());
            for (int i = 0; i < got.size(); i++) {
                if (got.get(i) != null) {
                    Compare.Result r = Compare.tensors(
                            op.name(),
                            want.get(i),
                            got.get(i),
                            Tolerance.of(op, got.get(i).dtype()));
                    assertTrue(r.ok(), r.message());
                }
            }
            return null;
        });
    }

    // ---- sizes that need several tasks

    /** Numbers of mean 0 and variance 1; drawing normal ones would take most of the time of these tests. */
    private static Tensor normal(long seed, int... dims) {
        java.util.SplittableRandom random = new java.util.SplittableRandom(seed);
        float[] x = new float[Math.toIntExact(Shape.of(dims).size())];
        for (int i = 0; i < x.length; i++) {
            x[i] = random.nextInt() * 0x1.bp-31f;
        }
        return Tensor.of(x, dims);
    }

    private static Tensor ints(int bound, int... dims) {
        Rng rng = new Rng(7);
        int[] x = new int[Math.toIntExact(Shape.of(dims).size())];
        for (int i = 0; i < x.length; i++) {
            x[i] = rng.nextInt(bound);
        }
        return Tensor.of(x, dims);
    }

    private static List<Supplier<Op>> large() {
        List<Supplier<Op>> ops = new ArrayList<>();
        for (UnaryKind kind : UnaryKind.values()) {
            ops.add(() -> new Elementwise.Unary(kind, normal(1, 3, 33001).square()));
        }
        ops.add(() -> new Elementwise.UnaryGrad(UnaryKind.GELU_TANH, normal(1, 3, 33001), normal(2, 3, 33001)));
        ops.add(() -> new Elementwise.Binary(Elementwise.BinaryKind.SUB, normal(1, 301, 333), normal(2, 333)));
        ops.add(() -> new Elementwise.Binary(Elementwise.BinaryKind.DIV, normal(1, 301, 1), normal(2, 301, 333)));
        ops.add(() -> new Elementwise.Binary(Elementwise.BinaryKind.ADD, normal(1, 2, 1, 70001), normal(2, 2, 1)));
        ops.add(() -> new Elementwise.Binary(Elementwise.BinaryKind.MUL, normal(1, 5000, 3, 5), normal(2, 3, 1)));
        ops.add(() -> new Elementwise.Affine(normal(1, 100003), 1.5, -0.25));
        ops.add(() -> new Elementwise.Dropout(normal(1, 100003), 0.3, 5, 9));
        for (Reduce.Kind kind : Reduce.Kind.values()) {
            ops.add(() -> new Reduce.Axes(kind, normal(1, 100003), List.of(0)));
            ops.add(() -> new Reduce.Axes(kind, normal(1, 503, 331), List.of(0)));
            ops.add(() -> new Reduce.Axes(kind, normal(1, 503, 331), List.of(1)));
            ops.add(() -> new Reduce.Axes(kind, normal(1, 11, 97, 5, 31), List.of(0, 2)));
            ops.add(() -> new Reduce.Axes(kind, normal(1, 11, 97, 5, 31), List.of(1, 3)));
            ops.add(() -> new Reduce.Axes(kind, normal(1, 2, 70001), List.of(1)));
        }
        ops.add(() -> new Reduce.ArgMax(normal(1, 37, 5003)));
        ops.add(() -> new Reduce.Softmax(normal(1, 37, 5003), false));
        ops.add(() -> new Reduce.Softmax(normal(1, 37, 5003), true));
        ops.add(() -> new Reduce.SoftmaxGrad(normal(1, 37, 5003).softmax(), normal(2, 37, 5003), false));
        ops.add(() -> new Norm.LayerNorm(normal(1, 301, 333), normal(2, 333), normal(3, 333), 1e-5));
        ops.add(() -> new Norm.LayerNormGrad(
                normal(1, 1301, 65), normal(2, 65), normal(3, 1301), normal(4, 1301), normal(5, 1301, 65)));
        ops.add(() -> new Norm.RmsNorm(normal(1, 301, 333), normal(2, 333), 1e-5));
        ops.add(() -> new Norm.RmsNormGrad(normal(1, 1301, 65), normal(2, 65), normal(4, 1301), normal(5, 1301, 65)));
        ops.add(() -> new Loss.CrossEntropy(normal(1, 9, 50257), ints(50257, 9), null, -100, 0.1));
        ops.add(() -> new Loss.CrossEntropyGrad(
                normal(1, 9, 50257),
                ints(50257, 9),
                null,
                Tensor.full(Device.CPU, DType.F32, Shape.of(9), 11.3),
                normal(4, 9),
                -100,
                0.1));
        ops.add(() -> new Index.Embedding(normal(1, 77, 513), ints(77, 300)));
        ops.add(() -> new Index.EmbeddingGrad(ints(77, 300), normal(1, 300, 513), 77));
        ops.add(() -> new Index.Concat(List.of(normal(1, 90, 333), normal(2, 90, 700)), 1));
        ops.add(() -> new Index.Pack(normal(1, 333, 301).transpose(0, 1)));
        // tasks that begin in the middle of an outer dimension
        ops.add(() -> new Index.Pack(normal(1, 61, 50, 41).permute(1, 0, 2)));
        ops.add(() -> new Elementwise.Binary(Elementwise.BinaryKind.MUL, normal(1, 61, 50, 41), normal(2, 50, 1)));
        ops.add(() ->
                new Update.Accumulate(normal(1, 333, 301), normal(2, 301, 333).transpose(0, 1), 0.5));
        ops.add(() -> new Update.AdamW(
                List.of(normal(1, 301, 333), normal(2, 5)),
                List.of(normal(3, 301, 333), normal(4, 5)),
                List.of(normal(5, 301, 333), normal(6, 5)),
                List.of(normal(7, 301, 333).square(), normal(8, 5).square()),
                List.of(0.1, 0.0),
                1e-3,
                0.9,
                0.999,
                1e-8,
                0.5,
                3));
        ops.add(() -> new Update.GradientStep(
                new OptimizerRule.Adam(0.9, 0.999, 1e-8),
                List.of(normal(1, 301, 333), normal(2, 5)),
                List.of(normal(3, 301, 333), normal(4, 5)),
                List.of(
                        List.of(normal(5, 301, 333), normal(7, 301, 333).square()),
                        List.of(normal(6, 5), normal(8, 5).square())),
                List.of(0.1, 0.0),
                1e-3,
                0.5,
                3));
        ops.add(() -> new MatMul(normal(1, 65, 129), normal(2, 129, 77), normal(3, 77)));
        ops.add(() -> new MatMul(
                normal(1, 70, 3, 129).transpose(0, 1), normal(2, 77, 129).transpose(0, 1), null));
        ops.add(() -> new MatMul(
                normal(1, 3, 65, 5, 24).permute(0, 2, 1, 3),
                normal(2, 3, 65, 5, 24).permute(0, 2, 3, 1),
                null));
        ops.add(() -> new MatMul(normal(1, 4, 1, 33, 65), normal(2, 7, 65, 31), normal(3, 31)));
        ops.add(() -> new MatMul(
                normal(1, 2, 33, 65).cast(DType.BF16),
                normal(2, 31, 65).cast(DType.BF16).transpose(0, 1),
                normal(3, 31).cast(DType.BF16)));
        ops.add(() -> new MatMul(
                normal(1, 2, 33, 65).cast(DType.F16), normal(2, 2, 65, 31).cast(DType.F16), null));
        ops.add(() -> new Attention.Forward(
                normal(1, 2, 37, 4, 24),
                normal(2, 2, 40, 2, 24),
                normal(3, 2, 40, 2, 24),
                null,
                null,
                new Attention.Options(true, 0.2, 0.1, 3, 4)));
        return ops;
    }

    @ParameterizedTest
    @MethodSource("large")
    void agreesOnSizesOfSeveralTasks(Supplier<Op> draw) {
        compare(draw);
    }

    @ParameterizedTest
    @MethodSource("large")
    void isTheSameBitsForAnyNumberOfThreads(Supplier<Op> draw) {
        Workers.setThreads(1);
        List<byte[]> want = bytes(draw);
        for (int threads : new int[] {2, 7}) {
            Workers.setThreads(threads);
            List<byte[]> got = bytes(draw);
            for (int i = 0; i < want.size(); i++) {
                assertArrayEquals(want.get(i), got.get(i), "result " + i + " with " + threads + " threads");
            }
        }
    }

    @Test
    void squaredNormIsAccurate() {
        Scope.run(() -> {
            Op op = new Reduce.SquaredNorm(
                    List.of(normal(1, 100003), normal(2, 17), normal(3, 1000).cast(DType.BF16)));
            double want = run(SCALAR, op).getFirst().item();
            for (int threads = 1; threads < 8; threads++) {
                Workers.setThreads(threads);
                assertEquals(want, run(VECTOR, op).getFirst().item(), 1e-12 * want);
            }
            return null;
        });
    }

    private static List<byte[]> bytes(Supplier<Op> draw) {
        return Scope.run(() -> {
            List<byte[]> all = new ArrayList<>();
            for (Tensor t : run(VECTOR, draw.get())) {
                all.add(t.pack().data().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE));
            }
            return all;
        });
    }

    // ---- positions

    /** An element's result must not depend on where in a row of vectors it stands. */
    @Test
    void elementsDoNotDependOnTheirPlace() {
        Scope.run(() -> {
            Tensor x = normal(1, 150);
            for (UnaryKind kind : UnaryKind.values()) {
                float[] whole =
                        run(VECTOR, new Elementwise.Unary(kind, x)).getFirst().toFloats();
                for (int start : new int[] {1, 5, 16, 31}) {
                    for (int n : new int[] {1, 15, 16, 17, 63, 64, 65}) {
                        float[] part = run(VECTOR, new Elementwise.Unary(kind, x.narrow(0, start, n)))
                                .getFirst()
                                .toFloats();
                        for (int i = 0; i < n; i++) {
                            assertEquals(whole[start + i], part[i], kind + " " + start + " " + n);
                        }
                    }
                }
            }
            return null;
        });
    }

    /** Nothing is written beyond a result: the neighbours of the target of an update keep their value. */
    @Test
    void neighboursStayUntouched() {
        for (int n : new int[] {1, 7, 15, 16, 17, 63, 64, 65}) {
            Scope.run(() -> {
                Tensor whole = Tensor.full(Device.CPU, DType.F32, Shape.of(n + 40), 7);
                Tensor part = whole.narrow(0, 20, n);
                run(VECTOR, new Update.Accumulate(part, normal(1, n), 2));
                run(VECTOR, new Update.Fill(part, 3));
                run(VECTOR, new Update.Assign(part, normal(2, n)));
                float[] x = whole.toFloats();
                for (int i = 0; i < x.length; i++) {
                    if (i < 20 || i >= 20 + n) {
                        assertEquals(7, x[i], "element " + i + " around " + n);
                    }
                }
                return null;
            });
        }
    }

    /** Copies and updates through random views of every dtype. */
    @Test
    void randomViews() {
        Rng rng = new Rng(11);
        for (int round = 0; round < 300; round++) {
            int[] dims = new int[1 + rng.nextInt(4)];
            for (int i = 0; i < dims.length; i++) {
                dims[i] = 1 + rng.nextInt((int) Math.pow(2000, 1.0 / dims.length));
            }
            DType dtype = DType.values()[rng.nextInt(5)];
            long seed = rng.nextInt();
            compare(() -> new Index.Pack(view(dtype, seed, dims)));
            compare(() -> new Update.Assign(view(dtype, seed, dims), view(dtype, seed + 1, dims)));
            compare(() -> new Update.Fill(view(dtype, seed, dims), 3));
            if (dtype.isFloating()) {
                compare(() -> new Update.Accumulate(view(dtype, seed, dims), view(dtype, seed + 1, dims), 0.5));
            }
        }
    }

    /** A view of the given shape with its dimensions permuted and cut out of a larger tensor. */
    private static Tensor view(DType dtype, long seed, int... dims) {
        Rng rng = new Rng(seed);
        int rank = dims.length;
        int[] order = new int[rank];
        for (int i = 0; i < rank; i++) {
            int j = rng.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        int[] whole = new int[rank];
        for (int i = 0; i < rank; i++) {
            whole[i] = dims[order[i]] + rng.nextInt(3);
        }
        Tensor t = normal(seed, whole).scale(100).cast(dtype);
        for (int i = 0; i < rank; i++) {
            t = t.narrow(i, rng.nextInt(whole[i] - dims[order[i]] + 1), dims[order[i]]);
        }
        int[] back = new int[rank];
        for (int i = 0; i < rank; i++) {
            back[order[i]] = i;
        }
        return t.permute(back);
    }

    // ---- special numbers

    private static final float INF = Float.POSITIVE_INFINITY;
    private static final float NAN = Float.NaN;

    private static float[] apply(Op op) {
        return Scope.run(() -> run(VECTOR, op).getFirst().toFloats());
    }

    @Test
    void nanGoesThroughMaxAndSoftmaxAndRelu() {
        for (int at : new int[] {0, 5, 16, 39}) {
            float[] x = new float[40];
            x[at] = NAN;
            Tensor t = Tensor.of(x, 1, 40);
            assertTrue(Float.isNaN(apply(new Reduce.Axes(Reduce.Kind.MAX, t, List.of(1)))[0]));
            assertTrue(Float.isNaN(apply(new Reduce.Axes(Reduce.Kind.MIN, t, List.of(1)))[0]));
            assertTrue(Float.isNaN(apply(new Elementwise.Unary(UnaryKind.RELU, t))[at]));
            for (float y : apply(new Reduce.Softmax(t, false))) {
                assertTrue(Float.isNaN(y));
            }
            for (float y : apply(new Reduce.Softmax(t, true))) {
                assertTrue(Float.isNaN(y));
            }
            Tensor target = Tensor.of(new int[] {3}, 1);
            assertTrue(Float.isNaN(apply(new Loss.CrossEntropy(t, target, null, -100, 0))[0]));
            target.close();
            t.close();
        }
    }

    @Test
    void rowsOfInfinities() {
        Tensor none = Tensor.of(new float[] {-INF, -INF, -INF}, 1, 3);
        Tensor one = Tensor.of(new float[] {-INF, 2, -INF}, 1, 3);
        for (float y : apply(new Reduce.Softmax(none, false))) {
            assertTrue(Float.isNaN(y));
        }
        assertArrayEquals(new float[] {0, 1, 0}, apply(new Reduce.Softmax(one, false)));
        assertArrayEquals(new float[] {-INF, 0, -INF}, apply(new Reduce.Softmax(one, true)));
        Tensor second = Tensor.of(new int[] {1}, 1);
        Tensor first = Tensor.of(new int[] {0}, 1);
        assertEquals(0, apply(new Loss.CrossEntropy(one, second, null, -100, 0))[0]);
        assertEquals(INF, apply(new Loss.CrossEntropy(one, first, null, -100, 0))[0]);
        first.close();
        second.close();
        none.close();
        one.close();
    }

    @Test
    void ignoredTargetsHaveNoGradient() {
        Scope.run(() -> {
            Tensor logits = normal(1, 2, 100);
            Tensor targets = Tensor.of(new int[] {-100, 7}, 2);
            List<Tensor> f = run(VECTOR, new Loss.CrossEntropy(logits, targets, null, -100, 0.1));
            float[] dx = run(
                            VECTOR,
                            new Loss.CrossEntropyGrad(logits, targets, null, f.get(1), Tensor.ones(2), -100, 0.1))
                    .getFirst()
                    .toFloats();
            double sum = 0;
            for (int i = 0; i < 100; i++) {
                assertEquals(0, dx[i]);
                sum += dx[100 + i];
            }
            assertEquals(0, sum, 1e-5);
            return null;
        });
    }

    @Test
    void wrongIdsAndTargetsAreNamed() {
        Tensor table = Tensor.zeros(5, 3);
        Tensor ids = Tensor.of(new int[] {1, 5}, 2);
        Tensor targets = Tensor.of(new int[] {0, 1, 2, 3, 0}, 5);
        TensorException e = assertThrows(TensorException.class, () -> apply(new Index.Embedding(table, ids)));
        assertTrue(e.getMessage().contains("id 5"), e.getMessage());
        e = assertThrows(TensorException.class, () -> apply(new Loss.CrossEntropy(table, targets, null, -100, 0)));
        assertTrue(e.getMessage().contains("target 3 of row 3"), e.getMessage());
        table.close();
        ids.close();
        targets.close();
    }
}
