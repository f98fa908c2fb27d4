package io.quern.vision.model;

/**
 * Bicubic interpolation of a grid as a matrix, so that gradients flow through it: PyTorch's {@code interpolate(mode =
 * "bicubic", align_corners = False)}, with Keys' kernel of a = -0.75 and the border repeated.
 */
final class Bicubic {
    private static final double A = -0.75;

    private Bicubic() {}

    /** [toRows * toColumns, rows * columns], row-major. */
    static float[] matrix(int rows, int columns, int toRows, int toColumns) {
        double[][] vertical = weights(rows, toRows);
        double[][] horizontal = weights(columns, toColumns);
        float[] m = new float[Math.multiplyExact(Math.multiplyExact(toRows, toColumns), rows * columns)];
        int at = 0;
        for (double[] v : vertical) {
            for (double[] h : horizontal) {
                for (double y : v) {
                    for (double x : h) {
                        m[at++] = (float) (y * x);
                    }
                }
            }
        }
        return m;
    }

    private static double[][] weights(int from, int to) {
        double[][] w = new double[to][from];
        for (int i = 0; i < to; i++) {
            double center = (i + 0.5) * from / to - 0.5;
            int base = (int) Math.floor(center);
            for (int tap = -1; tap <= 2; tap++) {
                w[i][Math.clamp(base + tap, 0, from - 1)] += kernel(Math.abs(center - base - tap));
            }
        }
        return w;
    }

    private static double kernel(double x) {
        if (x <= 1) {
            return ((A + 2) * x - (A + 3)) * x * x + 1;
        }
        return x < 2 ? ((A * x - 5 * A) * x + 8 * A) * x - 4 * A : 0;
    }
}
