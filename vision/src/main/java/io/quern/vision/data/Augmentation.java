package io.quern.vision.data;

import io.quern.tensor.Rng;
import io.quern.tensor.TensorException;

/**
 * Random changes of training pictures that leave their class as it is. What comes in from outside is black.
 *
 * @param shift largest shift in pixels, along each axis: random crop of the padded picture
 * @param rotate largest angle in degrees
 * @param zoom largest factor, less 1, by which a picture grows or shrinks
 * @param flip whether half of the pictures are mirrored
 * @param erase probability with which a rectangle of 2 % to 20 % of the area is filled with noise (random erasing)
 * @param mixup parameter of mixup's Beta distribution, 0 for none
 * @param cutmix whether batches that are not mixed up get a rectangle of another picture instead
 * @param random further changes, between moving and erasing
 */
public record Augmentation(
        double shift,
        double rotate,
        double zoom,
        boolean flip,
        double erase,
        double mixup,
        boolean cutmix,
        RandAugment random) {
    public static final Augmentation NONE = new Augmentation(0, 0, 0, false, 0, 0, false);

    /** Without {@link RandAugment}. */
    public Augmentation(
            double shift, double rotate, double zoom, boolean flip, double erase, double mixup, boolean cutmix) {
        this(shift, rotate, zoom, flip, erase, mixup, cutmix, RandAugment.NONE);
    }

    public Augmentation {
        if (!(shift >= 0 && rotate >= 0 && rotate <= 180 && zoom >= 0 && zoom < 1)
                || !(erase >= 0 && erase <= 1 && mixup >= 0 && mixup <= 100)) {
            throw new TensorException("augmentation: shift, rotation (to 180), zoom (below 1), erasing (to 1) and mixup"
                    + " must not be negative; got " + shift + ", " + rotate + ", " + zoom + ", " + erase + ", "
                    + mixup);
        }
    }

    boolean mixes() {
        return mixup > 0 || cutmix;
    }

    /** Writes the changed picture {@code index} of the set into {@code to} at {@code at}, as values from 0 to 255. */
    void draw(ImageSet set, int index, Rng rng, float[] to, int at) {
        int w = set.width();
        int h = set.height();
        int plane = w * h;
        int from = index * set.bytesEach();
        double angle = Math.toRadians(uniform(rng, rotate));
        double factor = StrictMath.exp(uniform(rng, StrictMath.log1p(zoom)));
        double dx = uniform(rng, shift);
        double dy = uniform(rng, shift);
        if (rotate == 0 && zoom == 0) {
            // Whole pixels, which blur nothing.
            dx = Math.rint(dx);
            dy = Math.rint(dy);
        }
        double mirror = flip && rng.nextFloat() < 0.5 ? -1 : 1;
        double cos = StrictMath.cos(angle) / factor;
        double sin = StrictMath.sin(angle) / factor;
        double cx = (w - 1) / 2.0;
        double cy = (h - 1) / 2.0;
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                double u = mirror * (x - cx) - dx;
                double v = y - cy - dy;
                double sx = cos * u + sin * v + cx;
                double sy = cos * v - sin * u + cy;
                for (int c = 0; c < set.channels(); c++) {
                    to[at + c * plane + y * w + x] = sample(set.pixels(), from + c * plane, w, h, sx, sy);
                }
            }
        }
        random.apply(to, at, set.channels(), h, w, rng);
        if (erase > 0 && rng.nextFloat() < erase) {
            erase(set, rng, to, at);
        }
    }

    private static double uniform(Rng rng, double most) {
        return most == 0 ? 0 : (2 * rng.nextDouble() - 1) * most;
    }

    /** Bilinear. */
    private static float sample(byte[] p, int base, int w, int h, double x, double y) {
        int left = (int) Math.floor(x);
        int top = (int) Math.floor(y);
        float fx = (float) (x - left);
        float fy = (float) (y - top);
        float upper = pixel(p, base, w, h, left, top) * (1 - fx) + pixel(p, base, w, h, left + 1, top) * fx;
        float lower = pixel(p, base, w, h, left, top + 1) * (1 - fx) + pixel(p, base, w, h, left + 1, top + 1) * fx;
        return upper * (1 - fy) + lower * fy;
    }

    private static int pixel(byte[] p, int base, int w, int h, int x, int y) {
        return x < 0 || y < 0 || x >= w || y >= h ? 0 : p[base + y * w + x] & 0xFF;
    }

    private static void erase(ImageSet set, Rng rng, float[] to, int at) {
        int w = set.width();
        int h = set.height();
        double area = (0.02 + 0.18 * rng.nextDouble()) * w * h;
        double ratio = StrictMath.exp(uniform(rng, StrictMath.log(3)));
        int eh = Math.clamp(Math.round(Math.sqrt(area * ratio)), 1, h);
        int ew = Math.clamp(Math.round(Math.sqrt(area / ratio)), 1, w);
        int top = rng.nextInt(h - eh + 1);
        int left = rng.nextInt(w - ew + 1);
        for (int c = 0; c < set.channels(); c++) {
            for (int y = top; y < top + eh; y++) {
                for (int x = left; x < left + ew; x++) {
                    to[at + (c * h + y) * w + x] = 255 * rng.nextFloat();
                }
            }
        }
    }

    /**
     * The share of a batch's own pictures in a mixture: Beta(mixup, mixup)-distributed. Beta(a, a) is a quotient of Gamma
     * variables, drawn by Marsaglia and Tsang's method.
     */
    double share(Rng rng) {
        double a = mixup == 0 ? 1 : mixup;
        double x = gamma(a, rng);
        double y = gamma(a, rng);
        return x / (x + y);
    }

    private static double gamma(double shape, Rng rng) {
        if (shape < 1) {
            return gamma(shape + 1, rng) * Math.pow(1 - rng.nextDouble(), 1 / shape);
        }
        double d = shape - 1.0 / 3;
        while (true) {
            double z = rng.nextGaussian();
            double v = 1 + z / Math.sqrt(9 * d);
            double cube = v * v * v;
            if (v > 0 && Math.log(1 - rng.nextDouble()) < 0.5 * z * z + d - d * cube + d * Math.log(cube)) {
                return d * cube;
            }
        }
    }
}
