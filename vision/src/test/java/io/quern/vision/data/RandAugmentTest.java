package io.quern.vision.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Rng;
import io.quern.tensor.TensorException;
import io.quern.vision.data.RandAugment.Change;
import io.quern.vision.data.RandAugment.Picture;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** RandAugment's changes on pictures that can be worked out by hand. */
class RandAugmentTest {
    private static float[] changed(Change change, double strength, int channels, int height, int width, float... x) {
        Picture p = new Picture(x.clone(), channels, height, width);
        p.change(change, strength);
        return p.values();
    }

    /** Without strength nothing changes, but for what has none. */
    @ParameterizedTest
    @EnumSource(Change.class)
    void strengthZeroIsTheIdentity(Change change) {
        float[] x = new float[3 * 6 * 5];
        Random random = new Random(1);
        for (int i = 0; i < x.length; i++) {
            x[i] = random.nextInt(256);
        }
        float[] y = changed(change, 0, 3, 6, 5, x);
        if (change == Change.AUTOCONTRAST) {
            assertTrue(!java.util.Arrays.equals(x, y));
        } else if (change == Change.SOLARIZE) {
            for (int i = 0; i < x.length; i++) {
                assertEquals(x[i] == 255 ? 0 : x[i], y[i]);
            }
        } else {
            assertArrayEquals(x, y, 1e-3f);
        }
        for (double s : new double[] {-1, 1}) {
            for (float v : changed(change, s, 3, 6, 5, x)) {
                assertTrue(v >= -1e-3 && v <= 255.001f, change + ": " + v);
            }
        }
    }

    @Test
    void coloursChangeAsTheySay() {
        assertArrayEquals(new float[] {19, 190}, changed(Change.BRIGHTNESS, 1, 1, 1, 2, 10, 100), 1e-3f);
        assertArrayEquals(new float[] {1, 10}, changed(Change.BRIGHTNESS, -1, 1, 1, 2, 10, 100), 1e-3f);
        assertArrayEquals(new float[] {59.5f, 50.5f}, changed(Change.CONTRAST, -1, 1, 1, 2, 100, 10), 1e-3f);
        assertArrayEquals(new float[] {0x70, 0xF0}, changed(Change.POSTERIZE, 1, 1, 1, 2, 0x7F, 0xF3), 0);
        assertArrayEquals(new float[] {100, 105}, changed(Change.SOLARIZE, 0.5, 1, 1, 2, 100, 150), 0);
        assertArrayEquals(new float[] {0, 255, 127.5f}, changed(Change.AUTOCONTRAST, 1, 1, 1, 3, 50, 60, 55), 1e-3f);
        float[] red = changed(Change.COLOUR, -1, 3, 1, 1, 100, 0, 0);
        assertArrayEquals(new float[] {36.91f, 26.91f, 26.91f}, red, 1e-2f);
    }

    @Test
    void picturesMoveAsTheySay() {
        float[] dot = new float[11 * 11];
        dot[5 * 11 + 5] = 200;
        float[] right = changed(Change.TRANSLATE_X, 0.4, 1, 11, 11, dot);
        assertEquals(200, right[5 * 11 + 7], 1e-3);
        float[] up = changed(Change.TRANSLATE_Y, -0.4, 1, 11, 11, dot);
        assertEquals(200, up[3 * 11 + 5], 1e-3);
        // The middle stays where it is.
        assertEquals(200, changed(Change.ROTATE, 1, 1, 11, 11, dot)[60], 1e-3);
        assertEquals(200, changed(Change.SHEAR_X, 1, 1, 11, 11, dot)[60], 1e-3);
        // A quarter of the light goes to the neighbours: 13 - 5 = 8 parts.
        assertEquals(200 * 5 / 13f * 0.9f + 20, changed(Change.SHARPNESS, -1, 1, 11, 11, dot)[60], 1e-2);
    }

    @Test
    void aFlatHistogramStaysSo() {
        float[] ramp = new float[256];
        for (int i = 0; i < 256; i++) {
            ramp[i] = i;
        }
        assertArrayEquals(ramp, changed(Change.EQUALIZE, 1, 1, 16, 16, ramp), 0);
    }

    @Test
    void changesDependOnTheSeedAlone() {
        float[] x = new float[3 * 64 + 5];
        for (int i = 0; i < x.length; i++) {
            x[i] = i % 200;
        }
        RandAugment two = new RandAugment(2, 0.3);
        int different = 0;
        for (int seed = 0; seed < 50; seed++) {
            float[] a = x.clone();
            float[] b = x.clone();
            two.apply(a, 5, 3, 8, 8, new Rng(seed));
            two.apply(b, 5, 3, 8, 8, new Rng(seed));
            assertArrayEquals(a, b);
            different += java.util.Arrays.equals(a, x) ? 0 : 1;
            for (int i = 0; i < 5; i++) {
                assertEquals(x[i], a[i]);
            }
        }
        assertTrue(different > 35);
        assertThrows(TensorException.class, () -> new RandAugment(1, 1.5));
    }
}
