package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Sgd;
import org.junit.jupiter.api.Test;

class MixedPrecisionTest {
    private static final class Weight extends Module {
        private final Param w = param("w", Tensor.of(new float[] {1, 1.001f}, 2));
        private final Param count = param("count", Tensor.of(new int[] {3}, 1));
    }

    /** A thousandth of 1 is less than half a step of BF16 there, so ten such updates would all be lost in it. */
    @Test
    void updatesTooSmallForTheCopiesAreKept() {
        long before = Device.CPU.backend().memory().buffers();
        try (Weight module = new Weight();
                Optimizer optimizer = new Sgd(ParamGroup.all(module, 0), 0, 0, false)) {
            for (int step = 0; step < 10; step++) {
                Scope.run(() -> {
                    Gradients g = Tape.gradients(() -> MixedPrecision.run(module, DType.BF16, () -> {
                        assertEquals(DType.BF16, module.w.value().dtype());
                        assertEquals(DType.I32, module.count.value().dtype());
                        return module.w.value().sum();
                    }));
                    assertEquals(DType.F32, g.of(module.w.value()).dtype());
                    optimizer.step(g, 1e-3, 1);
                    return null;
                });
            }
            assertEquals(DType.F32, module.w.value().dtype());
            float[] w = module.w.value().toFloats();
            assertEquals(0.99, w[0], 1e-6);
            assertEquals(0.991, w[1], 1e-6);
        }
        assertEquals(before, Device.CPU.backend().memory().buffers());
    }

    @Test
    void theCopiesAreRounded() {
        try (Weight module = new Weight()) {
            assertEquals(1, second(module, DType.BF16));
            assertEquals(1.001f, second(module, DType.F32));
        }
    }

    private static float second(Weight module, DType type) {
        return Scope.run(() -> MixedPrecision.run(
                        module, type, () -> module.w.value().cast(DType.F32).copy())
                .toFloats()[1]);
    }

    @Test
    void typesThatWouldNeedAScaledLossAreRefused() {
        try (Weight module = new Weight()) {
            TensorException e =
                    assertThrows(TensorException.class, () -> MixedPrecision.run(module, DType.F16, () -> null));
            assertTrue(e.getMessage().contains("F32 or BF16, not in F16"), e.getMessage());
        }
    }
}
