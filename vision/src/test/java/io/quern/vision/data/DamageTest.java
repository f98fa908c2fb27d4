package io.quern.vision.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** Noise, holes and lost colours. */
class DamageTest {
    private static float[] ramp(int n) {
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = i / (float) n;
        }
        return x;
    }

    @Test
    void noiseHasItsDeviationAndStaysInRange() {
        float[] grey = new float[10_000];
        java.util.Arrays.fill(grey, 0.5f);
        float[] noisy = new Damage.Noise(0.1).apply(grey, 100, 100, new Rng(1));
        double sum = 0;
        for (float x : noisy) {
            sum += (x - 0.5) * (x - 0.5);
        }
        assertEquals(0.1, Math.sqrt(sum / noisy.length), 0.003);
        for (float x : new Damage.Noise(2).apply(ramp(100), 10, 10, new Rng(1))) {
            assertTrue(x >= 0 && x <= 1);
        }
    }

    @Test
    void aHoleIsASquareOfAllChannels() {
        float[] x = new float[2 * 6 * 9];
        boolean[] places = new boolean[54];
        for (int seed = 0; seed < 300; seed++) {
            float[] y = new Damage.Hole(3).apply(x, 6, 9, new Rng(seed));
            int changed = 0;
            for (int i = 0; i < 54; i++) {
                assertEquals(y[i], y[54 + i]);
                if (y[i] != 0) {
                    assertEquals(0.5f, y[i]);
                    places[i] = true;
                    changed++;
                }
            }
            assertEquals(9, changed);
        }
        for (boolean p : places) {
            assertTrue(p);
        }
        assertEquals(0.5f, new Damage.Hole(99).apply(x, 6, 9, new Rng(1))[53]);
    }

    @Test
    void greyIsLuma() {
        float[] x = {1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1};
        assertArrayEquals(new float[] {0.299f, 0.587f, 0.114f, 1}, new Damage.Grey().apply(x, 2, 2, new Rng(1)), 1e-6f);
        assertArrayEquals(ramp(4), new Damage.Grey().apply(ramp(4), 2, 2, new Rng(1)));
        assertEquals(1, new Damage.Grey().channels(3));
    }

    @Test
    void aPicturesDamageDependsOnItsNumberAlone() {
        Scope.run(() -> {
            Tensor three = Tensor.zeros(3, 1, 4, 4);
            Damage noise = new Damage.Noise(0.3);
            Tensor all = AutoencoderBatches.damaged(three, noise, 5, 10);
            Tensor last = AutoencoderBatches.damaged(three.narrow(0, 0, 1), noise, 5, 12);
            assertArrayEquals(all.select(0, 2).toFloats(), last.toFloats());
            assertTrue(all.select(0, 1).sub(last).abs().max().item() > 0);
            assertEquals(Shape.of(3, 1, 4, 4), all.shape());
            assertEquals(
                    Shape.of(2, 1, 4, 4),
                    AutoencoderBatches.damaged(Tensor.zeros(2, 3, 4, 4), new Damage.Grey(), 5, 0)
                            .shape());
            return null;
        });
    }
}
