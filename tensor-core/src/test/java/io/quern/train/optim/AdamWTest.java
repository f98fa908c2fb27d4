package io.quern.train.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.Conv1D;
import io.quern.nn.LayerNorm;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.golden.Golden;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AdamWTest {
    /** A model that is one vector. */
    private static final class Vector extends Module {
        private final Param p;

        Vector(float... values) {
            p = param("p", Tensor.of(values, values.length));
        }

        /** The gradients of sum(p * g), which are g. */
        Gradients gradients(float... g) {
            return Tape.gradients(() -> p.value().mul(Tensor.of(g, g.length)).sum());
        }
    }

    private static float[] row(double[] table, int row, int n) {
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) table[row * n + i];
        }
        return x;
    }

    /** Steps as PyTorch does; the gradients are divided by a factor that the optimizer multiplies them by. */
    private static void followPyTorch(double gradScale) {
        Golden.Case c = Golden.load("optimizers").get("adamw");
        JsonNode params = c.params();
        float[] start =
                row(c.input("param").data(), 0, (int) c.input("param").shape().size());
        double[] got = new double[c.expected("param_after_each_step").data().length];
        int n = start.length;
        int steps = got.length / n;
        try (Vector model = new Vector(start);
                AdamW adamW = new AdamW(
                        ParamGroup.all(model, params.get("weight_decay").doubleValue()),
                        params.get("betas").get(0).doubleValue(),
                        params.get("betas").get(1).doubleValue(),
                        params.get("eps").doubleValue())) {
            for (int step = 0; step < steps; step++) {
                float[] g = row(c.input("grads").data(), step, n);
                for (int i = 0; i < n; i++) {
                    g[i] /= (float) gradScale;
                }
                Scope.run(() -> {
                    adamW.step(model.gradients(g), params.get("lr").doubleValue(), gradScale);
                    return null;
                });
                System.arraycopy(model.p.value().toDoubles(), 0, got, step * n, n);
            }
            assertEquals(steps, adamW.steps());
        }
        c.assertClose("param_after_each_step", got);
    }

    @Test
    void stepsAgreeWithPyTorch() {
        followPyTorch(1);
    }

    @Test
    void theScaleAppliesToTheGradients() {
        followPyTorch(0.5);
        followPyTorch(4);
    }

    private static final class Layers extends Module {
        Layers() {
            child("linear", new Conv1D(Tensor.ones(2, 3), Tensor.zeros(3)));
            child("norm", new LayerNorm(Tensor.ones(3), Tensor.zeros(3), 1e-5));
            nameParameters();
        }
    }

    @Test
    void onlyMatricesDecay() {
        try (Layers model = new Layers()) {
            List<ParamGroup> groups = ParamGroup.decayMatrices(model, 0.1);
            assertEquals(Set.of("linear.weight"), groups.get(0).params().keySet());
            assertEquals(0.1, groups.get(0).weightDecay());
            assertEquals(
                    Set.of("linear.bias", "norm.weight", "norm.bias"),
                    groups.get(1).params().keySet());
            assertEquals(0, groups.get(1).weightDecay());
            model.parameters().get("linear.weight").setTrainable(false);
            assertTrue(ParamGroup.decayMatrices(model, 0.1).get(0).params().isEmpty(), "frozen ones take no part");
        }
    }

    @Test
    void aParameterWithoutGradientStays() {
        try (Layers model = new Layers();
                AdamW adamW = new AdamW(ParamGroup.decayMatrices(model, 0.1), 0.9, 0.999, 1e-8)) {
            Param bias = model.parameters().get("linear.bias");
            Scope.run(() -> {
                adamW.step(Tape.gradients(() -> bias.value().shift(1).sum()), 0.1, 1);
                return null;
            });
            assertArrayEquals(new float[] {-0.1f, -0.1f, -0.1f}, bias.value().toFloats(), 1e-6f);
            assertArrayEquals(
                    new float[] {1, 1, 1},
                    model.parameters().get("norm.weight").value().toFloats());
        }
    }

    @Test
    void wrongSettingsAreNamed() {
        try (Layers model = new Layers()) {
            List<ParamGroup> groups = ParamGroup.all(model, 0);
            String message = assertThrows(IllegalArgumentException.class, () -> new AdamW(groups, 0.9, 1, 1e-8))
                    .getMessage();
            assertTrue(message.contains("beta2"), message);
            assertThrows(IllegalArgumentException.class, () -> ParamGroup.all(model, -1));
            assertThrows(IllegalArgumentException.class, () -> ParamGroup.all(model, Double.NaN));
        }
    }
}
