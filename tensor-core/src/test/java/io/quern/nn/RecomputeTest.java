package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RecomputeTest {
    private static final int WIDTH = 16;

    private long buffers;

    @BeforeEach
    void countBuffers() {
        buffers = Device.CPU.backend().memory().buffers();
    }

    @AfterEach
    void noBufferIsLeft() {
        assertEquals(buffers, Device.CPU.backend().memory().buffers(), "live buffers after the test");
    }

    /** Blocks with a residual branch, dropout and a weight that all of them share. */
    private static final class Stack extends Module {
        private final List<Conv1D> layers = new ArrayList<>();
        private final Param shared;
        private final Dropout dropout = new Dropout(0.3);

        Stack(int blocks) {
            for (int i = 0; i < blocks; i++) {
                Init init = Init.normal(5, 0.3).at("h" + i);
                layers.add(child(
                        "h." + i,
                        new Conv1D(
                                init.make("weight", Shape.of(WIDTH, WIDTH)),
                                Init.constant(0.1).make("bias", Shape.of(WIDTH)))));
            }
            shared = param("shared", Init.normal(6, 0.5).make("shared", Shape.of(WIDTH)));
            nameParameters();
        }

        Tensor block(Conv1D layer, Tensor x) {
            Tensor y = dropout.forward(layer.forward(x).tanh().mul(shared.value()));
            return x.add(dropout.forward(y.gelu().square()));
        }

        Tensor forward(Tensor x, boolean recompute) {
            for (Conv1D layer : layers) {
                x = recompute ? Recompute.of(x, in -> block(layer, in)) : block(layer, x);
            }
            return x.square().mean();
        }
    }

    private static Map<String, float[]> gradients(Stack model, BiFunction<Stack, Tensor, Tensor> loss) {
        return Scope.run(() -> {
            Tensor x = Tensor.randn(new Rng(7, 0), 1, 12, WIDTH);
            Gradients g = TrainingMode.with(1, 2, () -> Tape.gradients(() -> loss.apply(model, x)));
            Map<String, float[]> all = new TreeMap<>();
            all.put("loss", g.loss().toFloats());
            model.parameters()
                    .forEach((path, p) -> all.put(path, g.of(p.value()).toFloats()));
            return all;
        });
    }

    private static void assertSame(Map<String, float[]> expected, Map<String, float[]> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((path, g) -> assertArrayEquals(g, actual.get(path), path));
    }

    @Test
    void gradientsAreTheSameBits() {
        try (Stack model = new Stack(3)) {
            Map<String, float[]> kept = gradients(model, (m, x) -> m.forward(x, false));
            Map<String, float[]> again = gradients(model, (m, x) -> m.forward(x, true));
            assertTrue(kept.get("shared")[0] != 0);
            // The shared weight gets its three gradients in the same order, too.
            assertSame(kept, again);
        }
    }

    @Test
    void partsMayContainSuchParts() {
        try (Stack model = new Stack(2)) {
            Map<String, float[]> kept = gradients(model, (m, x) -> m.forward(x, false));
            Map<String, float[]> again = gradients(model, (m, x) -> Recompute.of(x, in -> m.forward(in, true)));
            assertSame(kept, again);
        }
    }

    @Test
    void argumentsGetTheirGradient() {
        try (Stack model = new Stack(1)) {
            BiFunction<Stack, Tensor, Tensor> plain = (m, x) -> m.forward(x.mul(m.shared.value()), false);
            BiFunction<Stack, Tensor, Tensor> again = (m, x) -> m.forward(x.mul(m.shared.value()), true);
            assertSame(gradients(model, plain), gradients(model, again));
        }
    }

    @Test
    void memoryDoesNotGrowWithTheBlocksInside() {
        try (Stack model = new Stack(8)) {
            long kept = peak(model, false);
            long again = peak(model, true);
            assertTrue(again * 2 < kept, again + " bytes with recomputing, " + kept + " without");
        }
    }

    private static long peak(Stack model, boolean recompute) {
        return Scope.run(() -> {
            Tensor x = Tensor.randn(new Rng(7, 0), 1, 2048, WIDTH);
            long before = Device.CPU.backend().memory().live();
            Device.CPU.backend().resetPeak();
            TrainingMode.with(1, 2, () -> Tape.gradients(() -> model.forward(x, recompute)));
            return Device.CPU.backend().memory().peak() - before;
        });
    }

    @Test
    void aResultFromOutsideIsRefused() {
        try (Stack model = new Stack(1)) {
            BiFunction<Stack, Tensor, Tensor> leaking = (m, x) -> {
                Tensor outside = x.mul(m.shared.value());
                return Recompute.of(x, in -> in.mul(outside)).mean();
            };
            String message = assertThrows(TensorException.class, () -> gradients(model, leaking))
                    .getMessage();
            assertTrue(message.contains("recompute") && message.contains("detach()"), message);
        }
    }

    @Test
    void withoutATapeItIsJustRun() {
        try (Stack model = new Stack(2)) {
            float[] y = Scope.run(() -> {
                Tensor x = Tensor.ones(3, WIDTH);
                float[] plain = model.forward(x, false).toFloats();
                assertArrayEquals(plain, model.forward(x, true).toFloats());
                return plain;
            });
            assertEquals(1, y.length);
        }
    }
}
