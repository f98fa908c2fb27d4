package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Optimizer steps and norms over more tensors than a launch holds, of all lengths: the bits of many small steps. */
@Tag("gpu")
class ManyTensorsTest {
    private static final Device CUDA = new Device("cuda", 0);

    /** Around the chunk of 4096 and the 16 bytes of an access, and enough small ones for two tables. */
    private static final int[] LENGTHS = IntStream.concat(
                    IntStream.of(4096, 1, 0, 4095, 4097, 3, 12289, 8192, 16), IntStream.rangeClosed(1, 100))
            .toArray();

    /** A step over some tensors: parameters, gradients, and for each parameter its state. */
    private interface Step {
        Update of(List<Tensor> params, List<Tensor> grads, List<List<Tensor>> state, List<Double> decay);
    }

    /** A parameter, its gradient, and its state. */
    private record Slot(Tensor param, Tensor grad, List<Tensor> state, double decay) {
        /** The part of all of them from an element on. */
        Slot part(int from, int length) {
            return new Slot(
                    param.narrow(0, from, length),
                    grad.narrow(0, from, length),
                    state.stream().map(s -> s.narrow(0, from, length)).toList(),
                    decay);
        }

        List<Tensor> written() {
            List<Tensor> all = new ArrayList<>(state);
            all.add(param);
            return all;
        }
    }

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    private static Step adamW() {
        return (p, g, s, d) -> new Update.AdamW(
                p,
                g,
                s.stream().map(List::getFirst).toList(),
                s.stream().map(List::getLast).toList(),
                d,
                0.01,
                0.9,
                0.95,
                1e-8,
                0.5,
                3);
    }

    private static Tensor draw(DType dtype, int n, long stream, boolean positive) {
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            float v = Rng.bits(11, stream, i) * 0x1p-31f;
            x[i] = positive ? Math.abs(v) + 0.01f : v;
        }
        return Tensor.of(x, n).cast(dtype).to(CUDA);
    }

    /** Every ninth tensor starts at an odd element, so that its accesses are of single elements. */
    private static List<Slot> slots(DType dtype, int states, boolean tinyMeans) {
        List<Slot> all = new ArrayList<>();
        for (int i = 0; i < LENGTHS.length; i++) {
            int odd = i % 9 == 4 ? 1 : 0;
            List<Tensor> t = new ArrayList<>();
            for (int j = 0; j < 2 + states; j++) {
                Tensor x = draw(dtype, LENGTHS[i] + odd, 10L * i + j, j >= 2);
                t.add((tinyMeans && j == 3 ? x.scale(0.001) : x).narrow(0, odd, LENGTHS[i]));
            }
            all.add(new Slot(t.get(0), t.get(1), t.subList(2, t.size()), i % 3 == 0 ? 0 : 0.1 / (1 + i)));
        }
        return all;
    }

    private static void run(Step step, List<Slot> slots) {
        Tensor.runAll(step.of(
                slots.stream().map(Slot::param).toList(),
                slots.stream().map(Slot::grad).toList(),
                slots.stream().map(Slot::state).toList(),
                slots.stream().map(Slot::decay).toList()));
    }

    private static void assertSameBits(DType dtype, int states, boolean tinyMeans, Step step) {
        Scope.run(() -> {
            List<Slot> together = slots(dtype, states, tinyMeans);
            List<Slot> pieces = slots(dtype, states, tinyMeans);
            List<Slot> before = slots(dtype, states, tinyMeans);
            run(step, together);
            for (Slot s : pieces) {
                for (int from = 0; from < s.param.size(); from += 1001) {
                    run(step, List.of(s.part(from, (int) Math.min(1001, s.param.size() - from))));
                }
            }
            for (int i = 0; i < LENGTHS.length; i++) {
                for (int j = 0; j <= states; j++) {
                    double[] want = pieces.get(i).written().get(j).toDoubles();
                    String what = dtype + " tensor " + i + " of " + LENGTHS[i] + ", operand " + j;
                    assertArrayEquals(want, together.get(i).written().get(j).toDoubles(), what);
                    if (dtype == DType.F32) {
                        assertMoved(before.get(i).written().get(j).toDoubles(), want, what);
                    }
                }
            }
            return null;
        });
    }

    /** But for a few, whose steps are too small. */
    private static void assertMoved(double[] before, double[] after, String what) {
        int same = 0;
        for (int k = 0; k < before.length; k++) {
            same += before[k] == after[k] ? 1 : 0;
        }
        assertTrue(same <= before.length / 10, what + ": " + same + " elements are as they were");
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F64", "BF16", "F16"})
    void adamWOfManyTensorsIsThatOfTheirPieces(DType dtype) {
        assertSameBits(dtype, 2, false, adamW());
    }

    static List<OptimizerRule> rules() {
        return List.of(
                new OptimizerRule.Sgd(0, 0, false),
                new OptimizerRule.Sgd(0.9, 0.1, true),
                new OptimizerRule.Adagrad(0.1, 1e-10),
                new OptimizerRule.RmsProp(0.9, 1e-8, 0, false),
                new OptimizerRule.RmsProp(0.9, 1e-8, 0.5, false),
                new OptimizerRule.RmsProp(0.9, 1e-8, 0, true),
                new OptimizerRule.RmsProp(0.9, 1e-8, 0.5, true),
                new OptimizerRule.Adam(0.9, 0.99, 1e-8),
                new OptimizerRule.Lion(0.9, 0.99));
    }

    @ParameterizedTest
    @MethodSource("rules")
    void stepsOfManyTensorsAreThoseOfTheirPieces(OptimizerRule rule) {
        boolean means = rule instanceof OptimizerRule.RmsProp r && r.centered();
        assertSameBits(
                DType.F32,
                rule.states(),
                means,
                (p, g, s, d) -> new Update.GradientStep(rule, p, g, s, d, 0.01, 0.5, 2));
    }

    /** Tensors of several dtypes in one step are put together by dtype. */
    @Test
    void dtypesMayDiffer() {
        Scope.run(() -> {
            List<Slot> mixed = new ArrayList<>();
            List<List<Slot>> apart = new ArrayList<>();
            for (DType dtype : List.of(DType.F32, DType.BF16, DType.F64)) {
                mixed.addAll(slots(dtype, 2, false).subList(0, 8));
                apart.add(slots(dtype, 2, false).subList(0, 8));
            }
            Collections.shuffle(mixed, new java.util.Random(1));
            run(adamW(), mixed);
            apart.forEach(same -> run(adamW(), same));
            for (List<Slot> same : apart) {
                for (Slot want : same) {
                    Slot got = mixed.stream()
                            .filter(s -> s.param.dtype() == want.param.dtype()
                                    && s.decay == want.decay
                                    && s.param.size() == want.param.size())
                            .findFirst()
                            .orElseThrow();
                    assertArrayEquals(want.param.toDoubles(), got.param.toDoubles());
                }
            }
            return null;
        });
    }

    @Test
    void aStepIsAFewLaunches() {
        Scope.run(() -> {
            List<Slot> slots = slots(DType.F32, 2, false);
            List<Tensor> grads = slots.stream().map(Slot::grad).toList();
            LaunchCounts counts = LaunchCounts.of(() -> {
                run(adamW(), slots);
                Tensor.run(new Reduce.SquaredNorm(grads));
            });
            // 108 that are not empty: 70 and 38 with four addresses, all with one.
            assertEquals("4 launches {adamw_f32=2, squares_f32=1, squares_total=1}", counts.ofKernels());
            return null;
        });
    }

    /** Squares of narrow numbers are exact in float64, so only the order of the sum differs. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F64", "BF16", "F16"})
    void theNormIsThatOfAllTensors(DType dtype) {
        Scope.run(() -> {
            List<Tensor> xs = new ArrayList<>();
            for (Slot s : slots(dtype, 0, false)) {
                xs.add(s.param);
                xs.add(s.grad);
            }
            xs.addAll(slots(DType.F32, 0, false).stream().map(Slot::grad).toList());
            double want = 0;
            for (Tensor x : xs) {
                for (double v : x.toDoubles()) {
                    want += v * v;
                }
            }
            double got = Tensor.run(new Reduce.SquaredNorm(xs)).item();
            assertEquals(want, got, 1e-13 * want);
            assertEquals(got, Tensor.run(new Reduce.SquaredNorm(xs)).item(), "not the same again");
            return null;
        });
    }

    @Test
    void theNormOfNothingIsZeroAndOfANanIsOne() {
        Scope.run(() -> {
            Tensor empty = Tensor.of(new float[0], 0).to(CUDA);
            assertEquals(0, Tensor.run(new Reduce.SquaredNorm(List.of(empty))).item());
            float[] x = new float[5000];
            x[4999] = Float.NaN;
            Tensor nan = Tensor.of(x, 5000).to(CUDA);
            assertTrue(Double.isNaN(
                    Tensor.run(new Reduce.SquaredNorm(List.of(empty, nan))).item()));
            x[4999] = Float.NEGATIVE_INFINITY;
            Tensor infinite = Tensor.of(x, 5000).to(CUDA);
            assertEquals(
                    Double.POSITIVE_INFINITY,
                    Tensor.run(new Reduce.SquaredNorm(List.of(infinite, empty))).item());
            return null;
        });
    }
}
