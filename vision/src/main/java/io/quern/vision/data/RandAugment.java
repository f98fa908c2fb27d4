package io.quern.vision.data;

import io.quern.tensor.Rng;
import io.quern.tensor.TensorException;
import java.util.Arrays;

/**
 * A few changes drawn from fourteen, all of the same strength. Source: Cubuk et al., "RandAugment" (2020); the changes and
 * their strengths are those of torchvision's class of that name. What comes in from outside is black.
 *
 * @param operations how many changes a picture gets; 0 for none
 * @param magnitude their strength, 0 to 1; torchvision's 9 of 31 is 0.3
 */
public record RandAugment(int operations, double magnitude) {
    public static final RandAugment NONE = new RandAugment(0, 0);

    enum Change {
        IDENTITY,
        SHEAR_X,
        SHEAR_Y,
        TRANSLATE_X,
        TRANSLATE_Y,
        ROTATE,
        BRIGHTNESS,
        COLOUR,
        CONTRAST,
        SHARPNESS,
        POSTERIZE,
        SOLARIZE,
        AUTOCONTRAST,
        EQUALIZE
    }

    public RandAugment {
        if (operations < 0 || operations > 100 || !(magnitude >= 0 && magnitude <= 1)) {
            throw new TensorException("RandAugment: 0 to 100 operations of a magnitude from 0 to 1; got " + operations
                    + " and " + magnitude);
        }
    }

    /** Changes planes [C, H, W] of values from 0 to 255 that begin at {@code x[at]}. */
    void apply(float[] x, int at, int channels, int height, int width, Rng rng) {
        if (operations == 0) {
            return;
        }
        Picture p = new Picture(Arrays.copyOfRange(x, at, at + channels * height * width), channels, height, width);
        for (int i = 0; i < operations; i++) {
            Change change = Change.values()[rng.nextInt(Change.values().length)];
            double strength = rng.nextFloat() < 0.5 ? magnitude : -magnitude;
            p.change(change, strength);
        }
        System.arraycopy(p.x, 0, x, at, p.x.length);
    }

    /** The picture that is being changed. */
    static final class Picture {
        private final int channels;
        private final int height;
        private final int width;
        private final int plane;
        private float[] x;

        Picture(float[] x, int channels, int height, int width) {
            this.x = x;
            this.channels = channels;
            this.height = height;
            this.width = width;
            plane = height * width;
        }

        float[] values() {
            return x;
        }

        /** @param s strength from -1 to 1; of changes without a direction its size counts */
        void change(Change change, double s) {
            switch (change) {
                case IDENTITY -> {}
                case SHEAR_X -> move(1, 0.3 * s, 0, 0, 1, 0);
                case SHEAR_Y -> move(1, 0, 0, 0.3 * s, 1, 0);
                case TRANSLATE_X -> move(1, 0, Math.rint(150.0 / 331 * width * s), 0, 1, 0);
                case TRANSLATE_Y -> move(1, 0, 0, 0, 1, Math.rint(150.0 / 331 * height * s));
                case ROTATE -> {
                    double a = Math.toRadians(30 * s);
                    move(StrictMath.cos(a), StrictMath.sin(a), 0, -StrictMath.sin(a), StrictMath.cos(a), 0);
                }
                case BRIGHTNESS -> mix(new float[x.length], 1 + 0.9 * s);
                case COLOUR -> mix(grey(), 1 + 0.9 * s);
                case CONTRAST -> {
                    float[] mean = new float[x.length];
                    Arrays.fill(mean, mean(grey()));
                    mix(mean, 1 + 0.9 * s);
                }
                case SHARPNESS -> mix(smooth(), 1 + 0.9 * s);
                case POSTERIZE -> posterize(8 - (int) Math.rint(4 * Math.abs(s)));
                case SOLARIZE -> solarize(255 * (1 - Math.abs(s)));
                case AUTOCONTRAST -> autocontrast();
                case EQUALIZE -> equalize();
            }
        }

        /** Every pixel from where a matrix about the middle says, bilinear. */
        private void move(double a, double b, double dx, double c, double d, double dy) {
            float[] to = new float[x.length];
            double cx = (width - 1) / 2.0;
            double cy = (height - 1) / 2.0;
            for (int row = 0; row < height; row++) {
                for (int column = 0; column < width; column++) {
                    double u = column - cx;
                    double v = row - cy;
                    double sx = a * u + b * v + cx - dx;
                    double sy = c * u + d * v + cy - dy;
                    for (int k = 0; k < channels; k++) {
                        to[k * plane + row * width + column] = sample(k * plane, sx, sy);
                    }
                }
            }
            x = to;
        }

        private float sample(int base, double sx, double sy) {
            int left = (int) Math.floor(sx);
            int top = (int) Math.floor(sy);
            float fx = (float) (sx - left);
            float fy = (float) (sy - top);
            float upper = pixel(base, left, top) * (1 - fx) + pixel(base, left + 1, top) * fx;
            float lower = pixel(base, left, top + 1) * (1 - fx) + pixel(base, left + 1, top + 1) * fx;
            return upper * (1 - fy) + lower * fy;
        }

        private float pixel(int base, int column, int row) {
            boolean outside = column < 0 || row < 0 || column >= width || row >= height;
            return outside ? 0 : x[base + row * width + column];
        }

        /** {@code factor} of the picture and the rest of another. */
        private void mix(float[] other, double factor) {
            for (int i = 0; i < x.length; i++) {
                x[i] = (float) Math.clamp(other[i] + factor * (x[i] - other[i]), 0, 255);
            }
        }

        /** ITU-R 601's luma in all channels. */
        private float[] grey() {
            float[] to = new float[x.length];
            for (int i = 0; i < x.length; i++) {
                int p = i % plane;
                to[i] = channels == 3 ? 0.299f * x[p] + 0.587f * x[plane + p] + 0.114f * x[2 * plane + p] : x[i];
            }
            return to;
        }

        private static float mean(float[] of) {
            double sum = 0;
            for (float f : of) {
                sum += f;
            }
            return (float) (sum / of.length);
        }

        /** Pillow's filter SMOOTH, [1 1 1; 1 5 1; 1 1 1] / 13; edges stay. */
        private float[] smooth() {
            float[] to = x.clone();
            for (int k = 0; k < channels; k++) {
                for (int row = 1; row < height - 1; row++) {
                    for (int column = 1; column < width - 1; column++) {
                        int i = k * plane + row * width + column;
                        float sum = 4 * x[i];
                        for (int n = -1; n <= 1; n++) {
                            sum += x[i + n * width - 1] + x[i + n * width] + x[i + n * width + 1];
                        }
                        to[i] = sum / 13;
                    }
                }
            }
            return to;
        }

        private void posterize(int bits) {
            int kept = 0xFF << (8 - bits) & 0xFF;
            for (int i = 0; i < x.length; i++) {
                x[i] = Math.round(x[i]) & kept;
            }
        }

        private void solarize(double threshold) {
            for (int i = 0; i < x.length; i++) {
                x[i] = x[i] >= threshold ? 255 - x[i] : x[i];
            }
        }

        /** Each channel from black to white. */
        private void autocontrast() {
            for (int k = 0; k < channels; k++) {
                float least = 255;
                float most = 0;
                for (int i = k * plane; i < (k + 1) * plane; i++) {
                    least = Math.min(least, x[i]);
                    most = Math.max(most, x[i]);
                }
                for (int i = k * plane; most > least && i < (k + 1) * plane; i++) {
                    x[i] = (x[i] - least) * 255 / (most - least);
                }
            }
        }

        /** Pillow's: each channel's histogram made flat. */
        private void equalize() {
            for (int k = 0; k < channels; k++) {
                int[] histogram = new int[256];
                for (int i = k * plane; i < (k + 1) * plane; i++) {
                    histogram[Math.round(x[i])]++;
                }
                int last = 255;
                while (histogram[last] == 0) {
                    last--;
                }
                int step = (plane - histogram[last]) / 255;
                if (step == 0) {
                    continue;
                }
                int[] table = new int[256];
                int n = step / 2;
                for (int v = 0; v < 256; v++) {
                    table[v] = Math.min(255, n / step);
                    n += histogram[v];
                }
                for (int i = k * plane; i < (k + 1) * plane; i++) {
                    x[i] = table[Math.round(x[i])];
                }
            }
        }
    }
}
