package io.quern.train.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class OptimizersTest {
    private static final class OneTensor extends Module {
        private final Param p;

        OneTensor(Tensor value) {
            p = param("p", value);
        }

        /** The gradients of sum(p * g), which are g. */
        Gradients gradients(float... g) {
            int[] dims = p.shape().dims();
            return Tape.gradients(() -> p.value().mul(Tensor.of(g, dims)).sum());
        }
    }

    static List<Golden.Case> cases() {
        return Golden.load("optimizers").cases();
    }

    private static Optimizer optimizer(Module model, JsonNode p) {
        List<ParamGroup> groups = ParamGroup.all(model, p.path("weight_decay").asDouble(0));
        double eps = p.path("eps").asDouble();
        double beta1 = p.path("betas").path(0).asDouble();
        double beta2 = p.path("betas").path(1).asDouble();
        return switch (p.get("type").asText()) {
            case "sgd" ->
                new Sgd(
                        groups,
                        p.path("momentum").asDouble(0),
                        p.path("dampening").asDouble(0),
                        p.path("nesterov").asBoolean(false));
            case "adagrad" ->
                new Adagrad(
                        groups,
                        p.path("lr_decay").asDouble(0),
                        p.path("initial_accumulator_value").asDouble(0),
                        eps);
            case "rmsprop" -> new RmsProp(groups, p.get("alpha").asDouble(), eps, 0, false);
            case "adam" -> new Adam(groups, beta1, beta2, eps);
            case "adamw" -> new AdamW(groups, beta1, beta2, eps);
            default -> throw new AssertionError(p);
        };
    }

    @ParameterizedTest
    @MethodSource("cases")
    void stepsAgreeWithPyTorch(Golden.Case c) {
        float[] grads = floats(c.input("grads").data());
        float[] start = floats(c.input("param").data());
        double[] got = new double[grads.length];
        int n = start.length;
        try (OneTensor model = new OneTensor(Tensor.of(start, n));
                Optimizer optimizer = optimizer(model, c.params())) {
            for (int step = 0; step < grads.length / n; step++) {
                step(
                        model,
                        optimizer,
                        c.params().get("lr").asDouble(),
                        Arrays.copyOfRange(grads, step * n, (step + 1) * n));
                System.arraycopy(model.p.value().toDoubles(), 0, got, step * n, n);
            }
        }
        c.assertClose("param_after_each_step", got);
    }

    private static void step(OneTensor model, Optimizer optimizer, double lr, float... grad) {
        Scope.run(() -> {
            optimizer.step(model.gradients(grad), lr, 1);
            return null;
        });
    }

    private static float[] floats(double[] x) {
        float[] f = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            f[i] = (float) x[i];
        }
        return f;
    }

    /** By hand from the paper's algorithm 2. */
    @Test
    void lionStepsBySigns() {
        try (OneTensor model = new OneTensor(Tensor.of(new float[] {1, 1, 1, 1}, 4));
                Optimizer lion = new Lion(ParamGroup.all(model, 0.5), 0.9, 0.5)) {
            step(model, lion, 0.1, 3, -0.01f, 0, 1);
            assertArrayEquals(
                    new double[] {0.85, 1.05, 0.95, 0.85}, model.p.value().toDoubles(), 1e-6);
            // m = (1.5, -0.005, 0, 0.5): in the last element 0.9 * 0.5 outweighs 0.1 * -1, in the second it does not
            step(model, lion, 0.1, -3, 1, 0, -1);
            assertArrayEquals(
                    new double[] {0.85 * 0.95 - 0.1, 1.05 * 0.95 - 0.1, 0.95 * 0.95, 0.85 * 0.95 - 0.1},
                    model.p.value().toDoubles(),
                    1e-6);
            assertArrayEquals(
                    new double[] {-0.75, 0.4975, 0, -0.25},
                    lion.state().get("exp_avg.p").toDoubles(),
                    1e-6);
        }
    }

    @Test
    void rmsPropWithAllItsOptions() {
        double[] g = {0.5, -1, 2};
        double p = 1;
        double square = 0;
        double mean = 0;
        double m = 0;
        try (OneTensor model = new OneTensor(Tensor.of(new float[] {1}, 1));
                Optimizer optimizer = new RmsProp(ParamGroup.all(model, 0.1), 0.9, 1e-3, 0.5, true)) {
            for (double x : g) {
                step(model, optimizer, 0.01, (float) x);
                double d = x + 0.1 * p;
                square = 0.9 * square + 0.1 * d * d;
                mean = 0.9 * mean + 0.1 * d;
                m = 0.5 * m + d / (Math.sqrt(square - mean * mean) + 1e-3);
                p -= 0.01 * m;
                assertEquals(p, model.p.value().toDoubles()[0], 1e-6);
            }
            assertEquals(
                    List.of("square_avg.p", "grad_avg.p", "momentum_buffer.p"),
                    List.copyOf(optimizer.state().keySet()));
        }
    }

    /** The published rule in plain loops of float64: Newton-Schulz, Nesterov's momentum, decay, scale. */
    @Test
    void muonFollowsItsRule() {
        for (int[] dims : new int[][] {{3, 5}, {5, 3}, {4, 4}, {1, 6}, {2, 3, 2}}) {
            int rows = dims[0];
            int columns = Arrays.stream(dims).skip(1).reduce(1, (a, b) -> a * b);
            float[] start = draw(1, rows * columns);
            double[][] p = matrix(start, rows, columns);
            double[][] m = new double[rows][columns];
            try (OneTensor model = new OneTensor(Tensor.of(start, dims));
                    Optimizer muon = new Muon(ParamGroup.all(model, 0.1), 0.9, true, 5)) {
                for (int step = 0; step < 3; step++) {
                    float[] grad = draw(10 + step, rows * columns);
                    step(model, muon, 0.05, grad);
                    muon(p, m, matrix(grad, rows, columns), 0.05);
                }
                double[] got = model.p.value().toDoubles();
                assertArrayEquals(
                        Arrays.stream(p).flatMapToDouble(Arrays::stream).toArray(), got, 2e-5, Arrays.toString(dims));
            }
        }
    }

    private static void muon(double[][] p, double[][] m, double[][] g, double lr) {
        int rows = p.length;
        int columns = p[0].length;
        double[][] x = new double[rows][columns];
        double norm = 0;
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                m[i][j] = 0.9 * m[i][j] + 0.1 * g[i][j];
                x[i][j] = 0.1 * g[i][j] + 0.9 * m[i][j];
                norm += x[i][j] * x[i][j];
            }
        }
        double length = Math.sqrt(norm);
        x = combine(x, 1 / length, x, 0);
        // of x^T x or of x x^T: the polynomial of the singular values is the same
        for (int i = 0; i < 5; i++) {
            double[][] cube = times(times(x, transposed(x)), x);
            double[][] fifth = times(times(x, transposed(x)), cube);
            x = combine(combine(x, 3.4445, cube, -4.7750), 1, fifth, 2.0315);
        }
        double scale = 0.2 * Math.sqrt(Math.max(rows, columns));
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                p[i][j] -= lr * (scale * x[i][j] + 0.1 * p[i][j]);
            }
        }
    }

    private static double[][] combine(double[][] a, double f, double[][] b, double h) {
        double[][] c = new double[a.length][a[0].length];
        for (int i = 0; i < c.length; i++) {
            for (int j = 0; j < c[0].length; j++) {
                c[i][j] = f * a[i][j] + h * b[i][j];
            }
        }
        return c;
    }

    private static double[][] times(double[][] a, double[][] b) {
        double[][] c = new double[a.length][b[0].length];
        for (int i = 0; i < c.length; i++) {
            for (int j = 0; j < c[0].length; j++) {
                for (int k = 0; k < b.length; k++) {
                    c[i][j] += a[i][k] * b[k][j];
                }
            }
        }
        return c;
    }

    private static double[][] transposed(double[][] a) {
        double[][] c = new double[a[0].length][a.length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < a[0].length; j++) {
                c[j][i] = a[i][j];
            }
        }
        return c;
    }

    private static double[][] matrix(float[] x, int rows, int columns) {
        double[][] a = new double[rows][columns];
        for (int i = 0; i < x.length; i++) {
            a[i / columns][i % columns] = x[i];
        }
        return a;
    }

    private static float[] draw(long seed, int n) {
        java.util.Random random = new java.util.Random(seed);
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }

    @Test
    void muonMakesMatricesNearlyOrthogonal() {
        Scope.run(() -> {
            Tensor x = Muon.orthogonal(Tensor.of(draw(3, 8 * 5), 8, 5), 5);
            double[] gram = x.transpose(0, 1).matmul(x).toDoubles();
            for (int i = 0; i < 25; i++) {
                if (i % 6 == 0) {
                    assertTrue(gram[i] > 0.4 && gram[i] < 1.6, "length " + gram[i]);
                } else {
                    assertEquals(0, gram[i], 0.45);
                }
            }
            return null;
        });
    }

    @Test
    void aZeroGradientLeavesMuonFinite() {
        try (OneTensor model = new OneTensor(Tensor.of(new float[] {1, 2, 3, 4}, 2, 2));
                Optimizer muon = new Muon(ParamGroup.all(model, 0))) {
            step(model, muon, 0.1, 0, 0, 0, 0);
            assertArrayEquals(new double[] {1, 2, 3, 4}, model.p.value().toDoubles());
        }
    }

    @Test
    void severalOptimizersShareAModel() {
        try (TwoTensors model = new TwoTensors();
                Optimizer both = Optimizers.together(
                        new Muon(List.of(new ParamGroup(Map.of("w", model.w), 0))),
                        new Sgd(List.of(new ParamGroup(Map.of("b", model.b), 0))))) {
            Scope.run(() -> {
                both.step(
                        Tape.gradients(
                                () -> model.w.value().sum().add(model.b.value().sum())),
                        0.1,
                        1);
                return null;
            });
            assertArrayEquals(new double[] {-0.1, -0.1}, model.b.value().toDoubles(), 1e-7);
            assertTrue(model.w.value().toDoubles()[0] < 0);
            assertEquals(1, both.steps());
            assertEquals(List.of("w", "b"), List.copyOf(both.params().keySet()));
            both.resumeAt(5);
            assertEquals(5, both.steps());
        }
    }

    private static final class TwoTensors extends Module {
        private final Param w = param("w", Tensor.zeros(2, 2));
        private final Param b = param("b", Tensor.zeros(2));
    }

    @Test
    void refusesWhatItCannotDo() {
        try (TwoTensors model = new TwoTensors()) {
            List<ParamGroup> all = ParamGroup.all(model, 0);
            assertTrue(assertThrows(TensorException.class, () -> new Muon(all))
                    .getMessage()
                    .contains("of b must be a matrix"));
            assertThrows(IllegalArgumentException.class, () -> new Sgd(all, 0, 0, true));
            assertThrows(IllegalArgumentException.class, () -> new Sgd(all, 0.9, 0.1, true));
            assertThrows(IllegalArgumentException.class, () -> new Sgd(all, Double.NaN, 0, false));
            assertThrows(IllegalArgumentException.class, () -> new Lion(all, 1, 0.9));
            assertThrows(IllegalArgumentException.class, () -> new RmsProp(all, 0.9, -1, 0, false));
            assertThrows(IllegalArgumentException.class, () -> new Adagrad(all, -0.1, 0, 1e-10));
            String twice = assertThrows(
                            IllegalArgumentException.class, () -> Optimizers.together(new Sgd(all), new Adam(all)))
                    .getMessage();
            assertEquals("parameter w is in two optimizers", twice);
        }
        try (OneTensor halves = new OneTensor(Tensor.full(Device.CPU, io.quern.tensor.DType.BF16, Shape.of(2), 1))) {
            List<ParamGroup> all = ParamGroup.all(halves, 0);
            assertTrue(assertThrows(TensorException.class, () -> new Sgd(all))
                    .getMessage()
                    .contains("train in F32"));
        }
    }
}
