package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ModuleTest {
    private static final class Mlp extends Module {
        private final Linear up;
        private final LayerNorm norm;
        private final Linear down;

        Mlp() {
            up = child("up", new Linear(Tensor.ones(3, 2), Tensor.zeros(3)));
            norm = child("norm", new LayerNorm(Tensor.ones(3), Tensor.zeros(3), 1e-5));
            down = child("down", new Linear(Tensor.ones(1, 3), null));
            nameParameters();
        }

        Tensor forward(Tensor x) {
            return down.forward(norm.forward(up.forward(x)).gelu());
        }
    }

    @Test
    void parametersHaveTheirPathsInOrder() {
        try (Mlp mlp = new Mlp()) {
            assertEquals(
                    List.of("up.weight", "up.bias", "norm.weight", "norm.bias", "down.weight"),
                    new ArrayList<>(mlp.parameters().keySet()));
            assertEquals(6 + 3 + 3 + 3 + 3, mlp.parameterCount());
            assertEquals("norm.weight", mlp.parameters().get("norm.weight").name());
        }
    }

    @Test
    void parametersOutliveTheScopeTheyWereMadeIn() {
        Mlp[] made = new Mlp[1];
        Scope.run(() -> {
            made[0] = new Mlp();
            return null;
        });
        try (Mlp mlp = made[0]) {
            double sum = Scope.run(() -> mlp.forward(Tensor.ones(4, 2)).sum().item());
            assertTrue(Double.isFinite(sum));
        }
        made[0].parameters().values().forEach(p -> assertFalse(p.value().isAlive()));
        made[0].close();
    }

    @Test
    void errorsNameTheParameter() {
        try (Mlp mlp = new Mlp()) {
            TensorException e = assertThrows(
                    TensorException.class,
                    () -> Scope.run(() -> mlp.norm.forward(Tensor.zeros(1, 5)).item()));
            assertTrue(e.getMessage().contains("norm.weight"), e.getMessage());
            e = assertThrows(
                    TensorException.class,
                    () -> Scope.run(() -> {
                        mlp.parameters().get("up.bias").set(Tensor.zeros(4));
                        return null;
                    }));
            assertTrue(e.getMessage().contains("up.bias") && e.getMessage().contains("[4]"), e.getMessage());
        }
    }

    @Test
    void replacingAParameterFreesTheOldOneAndKeepsItsState() {
        try (Mlp mlp = new Mlp()) {
            Param bias = mlp.parameters().get("up.bias");
            Param weight = mlp.parameters().get("up.weight");
            Tensor old = bias.value();
            weight.setTrainable(false);
            Scope.run(() -> {
                bias.set(Tensor.ones(3));
                weight.set(Tensor.zeros(3, 2));
                return null;
            });
            assertFalse(old.isAlive());
            assertArrayEquals(new float[] {1, 1, 1}, bias.value().toFloats());
            assertTrue(bias.isTrainable());
            assertFalse(weight.isTrainable());
            Scope.run(() -> {
                var g = Tape.gradients(() -> mlp.forward(Tensor.ones(4, 2)).sum());
                assertEquals(3, g.of(bias.value()).size());
                assertEquals(null, g.of(weight.value()));
                return null;
            });
        }
    }

    @Test
    void namesAreTakenOnce() {
        final class Twice extends Module {
            Twice(Tensor t) {
                param("w", t);
                param("w", t);
            }
        }
        Tensor t = Tensor.ones(2);
        assertThrows(IllegalArgumentException.class, () -> new Twice(t));
        t.close();
    }
}
