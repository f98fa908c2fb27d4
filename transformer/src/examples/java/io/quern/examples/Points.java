package io.quern.examples;

import io.quern.tensor.Rng;
import io.quern.tensor.Tensor;
import io.quern.train.data.Rows;

/**
 * Points of the plane, each with a class: data that can be drawn.
 *
 * @param xy x and y of each
 * @param classes of each, from 0
 */
record Points(float[] xy, int... classes) {
    /** Normally distributed around their centres, by turns of each class. */
    static Points blobs(int each, double spread, long seed, double[]... centres) {
        Rng rng = new Rng(seed);
        int k = centres.length;
        float[] xy = new float[2 * each * k];
        int[] classes = new int[each * k];
        for (int i = 0; i < classes.length; i++) {
            classes[i] = i % k;
            for (int d = 0; d < 2; d++) {
                xy[2 * i + d] = (float) (centres[classes[i]][d] + spread * rng.nextGaussian());
            }
        }
        return new Points(xy, classes);
    }

    /** Two half circles that reach into each other, with normal noise, by turns of each class. */
    static Points moons(int each, double noise, long seed) {
        Rng rng = new Rng(seed);
        float[] xy = new float[4 * each];
        int[] classes = new int[2 * each];
        for (int i = 0; i < classes.length; i++) {
            classes[i] = i % 2;
            double t = Math.PI * rng.nextDouble();
            double x = classes[i] == 0 ? Math.cos(t) : 1 - Math.cos(t);
            double y = classes[i] == 0 ? Math.sin(t) : 0.5 - Math.sin(t);
            xy[2 * i] = (float) (x + noise * rng.nextGaussian());
            xy[2 * i + 1] = (float) (y + noise * rng.nextGaussian());
        }
        return new Points(xy, classes);
    }

    int size() {
        return classes.length;
    }

    /** F32 [size, 2]. */
    Tensor inputs() {
        return Tensor.of(xy, size(), 2);
    }

    /** I32 [size]. */
    Tensor targets() {
        return Tensor.of(classes, size());
    }

    Rows rows() {
        return Rows.classes(xy, 2, classes);
    }

    /** Share of the points whose largest score [size, C] is that of their class. */
    double accuracy(Tensor scores) {
        int[] best = scores.argmax().toInts();
        int right = 0;
        for (int i = 0; i < best.length; i++) {
            right += best[i] == classes[i] ? 1 : 0;
        }
        return (double) right / best.length;
    }
}
