package io.quern.tensor.check;

/**
 * Two devices' logits for the same positions.
 *
 * @param positions rows of logits
 * @param agreeing rows whose largest logit is that of the same class
 * @param ties rows where the classes differ, but whose two logits are nearer to each other than the devices are
 * @param meanKl mean over the rows of the Kullback-Leibler divergence of the second distribution from the first, in nats
 * @param maxKl the largest of a row
 * @param firstOther the first row where the choice differs beyond a tie, or -1
 */
public record LogitAgreement(int positions, int agreeing, int ties, double meanKl, double maxKl, int firstOther) {

    /** Compares row-major logits [positions, classes]. */
    public static LogitAgreement of(float[] want, float[] got, int classes) {
        if (want.length != got.length || classes < 1 || want.length % classes != 0) {
            throw new IllegalArgumentException(
                    want.length + " and " + got.length + " logits are not rows of " + classes);
        }
        int rows = want.length / classes;
        int agreeing = 0;
        int ties = 0;
        int other = -1;
        double sum = 0;
        double max = 0;
        for (int r = 0; r < rows; r++) {
            int at = r * classes;
            double kl = divergence(want, got, at, classes);
            sum += kl;
            max = kl > max || Double.isNaN(kl) ? kl : max;
            int a = best(want, at, classes);
            int b = best(got, at, classes);
            if (a == b) {
                agreeing++;
            } else if (want[at + a] - want[at + b] <= 2 * error(want, got, at, a, b)) {
                ties++;
            } else if (other < 0) {
                other = r;
            }
        }
        return new LogitAgreement(rows, agreeing, ties, rows == 0 ? 0 : sum / rows, max, other);
    }

    /** Whether the choices are the same but for ties. */
    public boolean sameChoices() {
        return agreeing + ties == positions;
    }

    /** The larger error of the two candidates' logits; what is not a number is no tie. */
    private static double error(float[] want, float[] got, int at, int a, int b) {
        double e = Math.max(Math.abs(want[at + a] - got[at + a]), Math.abs(want[at + b] - got[at + b]));
        double small = 1e-3 * Math.max(1, Math.abs(want[at + a]));
        return e <= small ? e : -1;
    }

    private static int best(float[] x, int at, int n) {
        int best = 0;
        for (int i = 1; i < n; i++) {
            if (x[at + i] > x[at + best]) {
                best = i;
            }
        }
        return best;
    }

    private static double divergence(float[] want, float[] got, int at, int n) {
        double wantLog = logSumExp(want, at, n);
        double gotLog = logSumExp(got, at, n);
        double kl = 0;
        for (int i = at; i < at + n; i++) {
            double p = want[i] - wantLog;
            double weight = Math.exp(p);
            kl += weight == 0 ? 0 : weight * (p - (got[i] - gotLog));
        }
        return kl < 0 ? 0 : kl; // rounding
    }

    private static double logSumExp(float[] x, int at, int n) {
        double max = Double.NEGATIVE_INFINITY;
        for (int i = at; i < at + n; i++) {
            max = Math.max(max, x[i]);
        }
        double sum = 0;
        for (int i = at; i < at + n; i++) {
            sum += Math.exp(x[i] - max);
        }
        return max + Math.log(sum);
    }
}
