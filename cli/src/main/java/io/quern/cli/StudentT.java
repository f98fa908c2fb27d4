package io.quern.cli;

/** Student's t distribution. The tail is a regularised incomplete beta function: DLMF 8.17 and its continued fraction 8.17.22. */
final class StudentT {
    private static final int MOST_TERMS = 500;
    private static final double TINY = 1e-300;

    private StudentT() {}

    /** The chance of more than {@code t} with {@code freedom} degrees of freedom. */
    static double above(double t, double freedom) {
        double half = beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
        return t >= 0 ? half : 1 - half;
    }

    /** What is exceeded with a chance of {@code p}, at most a half. */
    static double exceeded(double p, double freedom) {
        double low = 0;
        double high = 1;
        while (above(high, freedom) > p && high < 1e12) {
            high *= 2;
        }
        for (int i = 0; i < 100; i++) {
            double middle = (low + high) / 2;
            if (above(middle, freedom) > p) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return high;
    }

    private static double beta(double x, double a, double b) {
        if (x <= 0 || x >= 1) {
            return x <= 0 ? 0 : 1;
        }
        double front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
        // The fraction converges fast below the mean; above it the other tail does.
        return x < (a + 1) / (a + b + 2) ? front * fraction(x, a, b) / a : 1 - front * fraction(1 - x, b, a) / b;
    }

    /** By Lentz's method. */
    private static double fraction(double x, double a, double b) {
        double c = 1;
        double d = 1 / notZero(1 - (a + b) * x / (a + 1));
        double f = d;
        for (int m = 1; m < MOST_TERMS; m++) {
            double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
            d = 1 / notZero(1 + even * d);
            c = notZero(1 + even / c);
            f *= c * d;
            double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
            d = 1 / notZero(1 + odd * d);
            c = notZero(1 + odd / c);
            f *= c * d;
            if (Math.abs(c * d - 1) < 1e-14) {
                break;
            }
        }
        return f;
    }

    private static double notZero(double x) {
        return Math.abs(x) < TINY ? TINY : x;
    }

    /** Stirling's series, from 8 upwards; below by the recurrence. */
    private static double logGamma(double x) {
        double shift = 0;
        double z = x;
        while (z < 8) {
            shift += Math.log(z);
            z += 1;
        }
        double r = 1 / (z * z);
        double series = (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r / 1188)))) / z;
        return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
    }
}
