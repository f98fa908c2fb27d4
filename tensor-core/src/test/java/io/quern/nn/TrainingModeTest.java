package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TrainingModeTest {
    private static float[] drop(Dropout d, long seed, long step) {
        return TrainingMode.with(
                seed, step, () -> Scope.run(() -> d.forward(Tensor.ones(1000)).toFloats()));
    }

    @Test
    void dropoutDropsOnlyInTrainingMode() {
        Dropout d = new Dropout(0.25);
        Scope.run(() -> {
            Tensor x = Tensor.ones(4);
            assertSame(x, d.forward(x));
            assertNull(TrainingMode.current());
            assertSame(x, TrainingMode.with(1, 1, () -> new Dropout(0).forward(x)));
            return null;
        });
        float[] y = drop(d, 1, 1);
        int zeros = 0;
        for (float v : y) {
            assertEquals(v == 0 ? 0 : 1 / 0.75f, v, 1e-6f);
            zeros += v == 0 ? 1 : 0;
        }
        // The fixed seed drops this many; four standard deviations are 55.
        assertEquals(250, zeros, 55);
        assertThrows(TensorException.class, () -> new Dropout(1));
        assertThrows(TensorException.class, () -> new Dropout(Double.NaN));
    }

    @Test
    void equalSeedsAndStepsGiveEqualMasks() {
        Dropout d = new Dropout(0.5);
        assertArrayEquals(drop(d, 1, 1), drop(d, 1, 1));
        assertFalse(Arrays.equals(drop(d, 1, 1), drop(d, 1, 2)));
        assertFalse(Arrays.equals(drop(d, 1, 1), drop(d, 2, 1)));
        TrainingMode.with(
                1,
                1,
                () -> Scope.run(() -> {
                    Tensor x = Tensor.ones(1000);
                    assertFalse(
                            Arrays.equals(d.forward(x).toFloats(), d.forward(x).toFloats()));
                    return null;
                }));
    }

    @Test
    void theGradientHasTheSameMask() {
        Tensor x = Tensor.ones(200).requireGrad();
        float[][] y = new float[1][];
        Gradients g = TrainingMode.with(
                3,
                4,
                () -> Tape.gradients(() -> {
                    Tensor dropped = new Dropout(0.3).forward(x);
                    y[0] = dropped.toFloats();
                    return dropped.sum();
                }));
        assertArrayEquals(y[0], g.of(x).toFloats());
        g.close();
        x.close();
    }
}
