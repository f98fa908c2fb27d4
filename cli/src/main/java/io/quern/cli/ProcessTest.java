package io.quern.cli;

import java.util.ArrayList;
import java.util.List;

/**
 * Whether the times of some rows changed, given a number for each process that measured them: the logarithm of its time,
 * relative to the machine's pace. A t test for two groups of processes, or for pairs of processes that took turns, with two
 * additions.
 *
 * <p>A few processes tell little of how much processes differ; the other rows tell it too. So a row's variance is drawn
 * towards the median of all rows' (as in Smyth, "Linear models and empirical Bayes methods for assessing differential
 * expression", 2004), but only upwards: a row that differs more than the others keeps its variance.
 *
 * <p>There may be several plausible numbers for a process, see {@link Paces}: the outcome is the least favourable to a
 * change among them.
 */
final class ProcessTest {
    /** Degrees of freedom that the other rows' variance counts for. */
    private static final int BORROWED = 4;

    /** Standard deviations: the least to believe, and that of processes if none was repeated. */
    private static final double LEAST = 0.03;

    private static final double UNKNOWN = 0.08;

    private ProcessTest() {}

    /**
     * The processes of a row.
     *
     * @param was each with the same quantities, of which the first is the best; null if {@code is} are the differences
     *     within pairs
     * @param is the same, now
     */
    record Sides(List<double[]> was, List<double[]> is) {
        int quantities() {
            return is.getFirst().length;
        }

        /** The difference of the means. */
        double change(int quantity) {
            return mean(is, quantity) - (was == null ? 0 : mean(was, quantity));
        }

        /** Of a process; 0 if none was repeated. */
        double variance(int quantity) {
            double sum = squares(is, quantity) + (was == null ? 0 : squares(was, quantity));
            return sum / Math.max(1, freedom());
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
     * @param log the best guess
     * @param least the least plausible one
     * @param most the greatest
     * @param low end of the interval of 95 %
     * @param high end of that
     * @param slower the chance of so large a change if nothing had changed, the greatest that is plausible
     * @param faster the same for so small a one
     */
    record Outcome(double log, double least, double most, double low, double high, double slower, double faster) {}

    static List<Outcome> of(List<Sides> rows) {
        double[] known = rows.stream()
                .filter(r -> r.freedom() > 0)
                .mapToDouble(r -> r.variance(0))
                .toArray();
        double usual = known.length == 0 ? UNKNOWN * UNKNOWN : new Samples(known).median();
        List<Outcome> all = new ArrayList<>();
        for (Sides r : rows) {
            Outcome o = at(r, 0, Math.max(LEAST * LEAST, usual));
            for (int i = 1; i < r.quantities(); i++) {
                o = join(o, at(r, i, Math.max(LEAST * LEAST, usual)));
            }
            all.add(o);
        }
        return all;
    }

    private static Outcome at(Sides row, int quantity, double usual) {
        double own = row.variance(quantity);
        int freedom = row.freedom() + BORROWED;
        double variance = Math.max(own, (BORROWED * usual + row.freedom() * own) / freedom);
        double error = Math.sqrt(variance * row.scale());
        double change = row.change(quantity);
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

    private static double mean(List<double[]> x, int quantity) {
        return x.stream().mapToDouble(v -> v[quantity]).average().orElseThrow();
    }

    private static double squares(List<double[]> x, int quantity) {
        double mean = mean(x, quantity);
        return x.stream()
                .mapToDouble(v -> (v[quantity] - mean) * (v[quantity] - mean))
                .sum();
    }
}
