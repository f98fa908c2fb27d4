package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LowRankTest {
    private static final int IN = 5;
    private static final int OUT = 7;
    private static final int RANK = 3;

    private static Tensor random(String name, int... dims) {
        return Init.normal(3, 0.5).make(name, Shape.of(dims));
    }

    private static Tensor random(DType dtype, String name, int... dims) {
        Tensor made = random(name, dims);
        if (dtype == DType.F32) {
            return made;
        }
        try (made) {
            return made.cast(dtype);
        }
    }

    /** Of doubles, so that differences can be taken; without the adapter. */
    private static LinearLayer layer(boolean transposed, DType dtype) {
        Tensor bias = random(dtype, "bias", OUT);
        return transposed
                ? new Conv1D(random(dtype, "weight", IN, OUT), bias)
                : new Linear(random(dtype, "weight", OUT, IN), bias);
    }

    private static void attach(LinearLayer layer, DType dtype, double dropout) {
        layer.attach("h.0", random(dtype, "a", RANK, IN), random(dtype, "b", OUT, RANK), 1.5, dropout);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anAdapterAddsAScaledProduct(boolean transposed) {
        try (LinearLayer layer = layer(transposed, DType.F64)) {
            Scope.run(() -> {
                Tensor x = random(DType.F64, "x", 2, 4, IN);
                double[] plain = layer.forward(x).toDoubles();
                attach(layer, DType.F64, 0);
                double[] a = layer.adapter().a().value().toDoubles();
                double[] b = layer.adapter().b().value().toDoubles();
                double[] in = x.toDoubles();
                for (int row = 0; row < 8; row++) {
                    for (int o = 0; o < OUT; o++) {
                        double sum = 0;
                        for (int r = 0; r < RANK; r++) {
                            for (int i = 0; i < IN; i++) {
                                sum += b[o * RANK + r] * a[r * IN + i] * in[row * IN + i];
                            }
                        }
                        plain[row * OUT + o] += 1.5 * sum;
                    }
                }
                assertArrayEquals(plain, layer.forward(x).toDoubles(), 1e-12);
                return null;
            });
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void gradientsAreThoseOfDifferences(boolean transposed) {
        try (LinearLayer layer = layer(transposed, DType.F64);
                Tensor x = random(DType.F64, "x", 2, IN).requireGrad();
                Tensor goal = random(DType.F64, "goal", 2, OUT)) {
            attach(layer, DType.F64, 0);
            Param a = layer.adapter().a();
            Param b = layer.adapter().b();
            try (Gradients g = Tape.gradients(() -> loss(layer, x, goal))) {
                check(g.of(a.value()), a.value(), layer, x, goal);
                check(g.of(b.value()), b.value(), layer, x, goal);
                check(g.of(x), x, layer, x, goal);
            }
        }
    }

    private static Tensor loss(LinearLayer layer, Tensor x, Tensor goal) {
        return layer.forward(x).sub(goal).square().sum();
    }

    private static void check(Tensor gradient, Tensor of, LinearLayer layer, Tensor x, Tensor goal) {
        double[] values = of.toDoubles();
        double[] found = gradient.toDoubles();
        double h = 1e-5;
        for (int i = 0; i < values.length; i++) {
            double[] at = values.clone();
            double[] losses = new double[2];
            for (int s = 0; s < 2; s++) {
                at[i] = values[i] + (s == 0 ? -h : h);
                int side = s;
                Scope.run(() -> Tape.noGrad(() -> {
                    of.assign(Tensor.of(at, of.shape().dims()));
                    losses[side] = loss(layer, x, goal).item();
                    return null;
                }));
            }
            assertEquals((losses[1] - losses[0]) / (2 * h), found[i], 1e-6 * (1 + Math.abs(found[i])), "element " + i);
        }
        Scope.run(() -> Tape.noGrad(
                () -> of.assign(Tensor.of(values, of.shape().dims())).size()));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aMergedLayerComputesTheSameWithoutTheAdapter(boolean transposed) {
        try (LinearLayer layer = layer(transposed, DType.F32)) {
            attach(layer, DType.F32, 0.3);
            assertEquals(
                    Set.of("weight", "bias", "lora_A.weight", "lora_B.weight"),
                    layer.parameters().keySet());
            Scope.run(() -> {
                Tensor x = random("x", 4, IN);
                float[] before = layer.forward(x).toFloats();
                layer.merge();
                assertNull(layer.adapter());
                assertEquals(Set.of("weight", "bias"), layer.parameters().keySet());
                assertArrayEquals(before, layer.forward(x).toFloats(), 1e-5f);
                return null;
            });
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatIsFrozenHasNoGradientAndDropoutIsForTrainingOnly(boolean transposed) {
        try (LinearLayer layer = layer(transposed, DType.F32);
                Tensor x = random("x", 4, IN);
                Tensor goal = random("goal", 4, OUT)) {
            layer.parameters().values().forEach(p -> p.setTrainable(false));
            attach(layer, DType.F32, 0.5);
            assertEquals("h.0.lora_A.weight", layer.adapter().a().name());
            try (Gradients g = Tape.gradients(() -> loss(layer, x, goal))) {
                assertNull(g.of(layer.weightParam().value()));
                assertNotNull(g.of(layer.adapter().a().value()));
                assertNotNull(g.of(layer.adapter().b().value()));
            }
            Scope.run(() -> {
                double plain = loss(layer, x, goal).item();
                assertEquals(plain, loss(layer, x, goal).item());
                double dropped =
                        TrainingMode.with(1, 1, () -> loss(layer, x, goal).item());
                assertFalse(Math.abs(plain - dropped) < 1e-6, "nothing was dropped");
                return null;
            });
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatDoesNotFitIsRefused(boolean transposed) {
        try (LinearLayer layer = layer(transposed, DType.F32);
                Tensor a = random("a", RANK, IN);
                Tensor b = random("b", RANK, OUT)) {
            TensorException e = assertThrows(TensorException.class, () -> layer.attach("h.0", a, b, 1, 0));
            assertTrue(e.getMessage().contains("h.0 needs lora_A [rank, 5] and lora_B [7, rank]"), e.getMessage());
            attach(layer, DType.F32, 0);
            assertThrows(TensorException.class, () -> layer.attach("h.0", a, b, 1, 0));
            if (layer instanceof Linear linear) {
                assertThrows(TensorException.class, linear::weight);
            }
        }
    }
}
