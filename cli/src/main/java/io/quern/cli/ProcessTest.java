package io.quern.cli;

import java.util.ArrayList;
import java.util.List;

/**
 * Whether the times of some rows changed, given a number for each process that measured them: the logarithm of the median of
 * its rounds, relative to the machine's pace. A t test for two groups of processes, or for pairs of processes that took
 * turns, with two additions.
 *
 * <p>A few processes tell little of how much processes differ; the other rows tell it too. So a row's variance is drawn
 * towards the median of all rows' (as in Smyth, "Linear models and empirical Bayes methods for assessing differential expression", 2004), but
 * only upwards: a row that differs more than the others keeps its variance.
 *
 * <p>How far arithmetic and how far memory bounds a row is not known. Each process comes with a number for each of
 * {@link #SHARES}; those shares are plausible by which the processes of a group agree about as well as by the best one. The
 * outcome is the least favourable to a change among them.
 */
final class ProcessTest {
    /** Of the yardstick for arithmetic in the machine's pace, the rest being memory's. */
    static final double[] SHARES = {0, 0.25, 0.5, 0.75, 1};

    /** Degrees of freedom that the other rows' variance counts for. */
    private static final int BORROWED = 4;

    /** Standard deviations: the least to believe, and that of processes if none was repeated. */
    private static final double LEAST = 0.015;

    private static final double UNKNOWN = 0.08;

    private static final double PLAUSIBLE = 1.5;

    private ProcessTest() {}

    /**
     * The processes of a row.
     *
     * @param was each with a number a share; null if {@code is} are the differences within pairs
     * @param is the same, now
     */
    record Sides(List<double[]> was, List<double[]> is) {
        int shares() {
            return is.getFirst().length;
        }

        /** The difference of the means. */
        double change(int share) {
            return mean(is, share) - (was == null ? 0 : mean(was, share));
        }

        /** Of a process. */
        double variance(int share) {
            return (squares(is, share) + (was == null ? 0 : squares(was, share))) / freedom();
        }

        int freedom() {
            return is.size() - 1 + (was == null ? 0 : was.size() - 1);
        }

        /** The variance of the change as a part of that of a process. */
        double scale() {
            return 1.0 / is.size() + (was == null ? 0 : 1.0 / was.size());
        }
    }

    /**
     * A change, all logarithms.
     *
     * @param log by the best of the shares
     * @param least by the least favourable plausible share to it being slower
     * @param most the same for faster
     * @param low end of the interval of 95 %, over all plausible shares
     * @param high end of that
     * @param slower the chance of so large a change if nothing had changed, the greatest over the plausible shares
     * @param faster the same for so small a one
     */
    record Outcome(double log, double least, double most, double low, double high, double slower, double faster) {}

    static List<Outcome> of(List<Sides> rows) {
        double[] known = rows.stream()
                .filter(r -> r.freedom() > 0)
                .mapToDouble(r -> r.variance(best(r)))
                .toArray();
        double usual = known.length == 0 ? UNKNOWN * UNKNOWN : new Samples(known).median();
        List<Outcome> all = new ArrayList<>();
        for (Sides r : rows) {
            all.add(outcome(r, Math.max(LEAST * LEAST, usual)));
        }
        return all;
    }

    private static Outcome outcome(Sides row, double usual) {
        int best = best(row);
        Outcome o = null;
        for (int share = 0; share < row.shares(); share++) {
            double own = row.freedom() == 0 ? 0 : row.variance(share);
            boolean plausible = row.freedom() == 0 || own <= PLAUSIBLE * row.variance(best) + LEAST * LEAST;
            if (plausible) {
                Outcome one = at(row, share, own, usual);
                o = o == null ? one : join(o, one);
            }
        }
        // Without repeated processes no share is better than another; the middle is as good as any.
        return new Outcome(row.change(best), o.least, o.most, o.low, o.high, o.slower, o.faster);
    }

    private static Outcome at(Sides row, int share, double own, double usual) {
        int freedom = row.freedom() + BORROWED;
        double variance = Math.max(own, (BORROWED * usual + row.freedom() * own) / freedom);
        double error = Math.sqrt(variance * row.scale());
        double change = row.change(share);
        double reach = error * StudentT.exceeded(0.025, freedom);
        double t = change / error;
        return new Outcome(
                change,
                change,
                change,
                change - reach,
                change + reach,
                StudentT.above(t, freedom),
                StudentT.above(-t, freedom));
    }

    private static Outcome join(Outcome a, Outcome b) {
        return new Outcome(
                a.log,
                Math.min(a.least, b.least),
                Math.max(a.most, b.most),
                Math.min(a.low, b.low),
                Math.max(a.high, b.high),
                Math.max(a.slower, b.slower),
                Math.max(a.faster, b.faster));
    }

    /** The share by which the processes agree best. */
    private static int best(Sides row) {
        int best = row.shares() / 2;
        if (row.freedom() > 0) {
            for (int i = 0; i < row.shares(); i++) {
                best = row.variance(i) < row.variance(best) ? i : best;
            }
        }
        return best;
    }

    private static double mean(List<double[]> x, int share) {
        return x.stream().mapToDouble(v -> v[share]).average().orElseThrow();
    }

    private static double squares(List<double[]> x, int share) {
        double mean = mean(x, share);
        return x.stream()
                .mapToDouble(v -> (v[share] - mean) * (v[share] - mean))
                .sum();
    }
}
