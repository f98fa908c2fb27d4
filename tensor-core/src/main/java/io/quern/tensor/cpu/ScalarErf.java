package io.quern.tensor.cpu;

/** The normal distribution in float64, to about 14 digits, for the exact GELU. */
final class ScalarErf {
    private static final double SQRT_2 = Math.sqrt(2);
    private static final double SQRT_PI = Math.sqrt(Math.PI);

    /** Where the complement takes over from the series, which would lose digits in 1 - erf. */
    private static final double TAIL = 1;

    private ScalarErf() {}

    /** Probability that a standard normal number is below x: (1 + erf(x / sqrt 2)) / 2. */
    static double normalCdf(double x) {
        double z = Math.abs(x) / SQRT_2;
        double upper = z < TAIL ? 0.5 - 0.5 * series(z) : 0.5 * complement(z);
        return x < 0 ? upper : 1 - upper;
    }

    /** exp(-x^2 / 2) / sqrt(2 pi). */
    static double normalDensity(double x) {
        return Math.exp(-0.5 * x * x) / (SQRT_2 * SQRT_PI);
    }

    /** erf(z) = 2 / sqrt(pi) exp(-z^2) sum_n 2^n z^(2n+1) / (2n+1)!!, whose terms are all positive. */
    private static double series(double z) {
        double term = z;
        double sum = z;
        for (int n = 1; term > sum * 1e-17; n++) {
            term *= 2 * z * z / (2 * n + 1);
            sum += term;
        }
        return 2 / SQRT_PI * Math.exp(-z * z) * sum;
    }

    /** erfc(z) = exp(-z^2) / sqrt(pi) / (z + (1/2) / (z + (2/2) / (z + (3/2) / ...))), from the innermost fraction out. */
    private static double complement(double z) {
        double f = z;
        for (int n = 200; n > 0; n--) {
            f = z + 0.5 * n / f;
        }
        return Math.exp(-z * z) / (SQRT_PI * f);
    }
}
