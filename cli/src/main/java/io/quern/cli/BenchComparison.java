package io.quern.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A run against one or several earlier ones. What is compared of a row are the lower quartiles of its rounds, and of these
 * the faster half of every run: other work on the machine only makes rounds slower. The ratio is that of the medians; its
 * interval goes from the fastest new round over the slowest old one to the slowest over the fastest. A row is slower if the
 * whole interval lies beyond the threshold. So noise keeps the comparison quiet, and so does what differs from process to
 * process, such as the choices of the compiler, if there are several earlier runs.
 *
 * @param threshold such as 0.1 for a tenth
 * @param unmatched rows that only one of the runs has
 */
record BenchComparison(double threshold, List<Change> changes, List<String> unmatched) {
    /** What became of a row. */
    enum Verdict {
        SLOWER,
        FASTER,
        SAME,
        /** The interval holds a change beyond the threshold and none. */
        NOISY
    }

    /**
     * A row that both runs have.
     *
     * @param ratio of the new time to the old one
     * @param low end of the interval
     * @param high end of the interval
     */
    record Change(String key, double ratio, double low, double high, Verdict verdict) {}

    static BenchComparison of(List<BenchRun> before, BenchRun after, double threshold) {
        Map<String, double[]> old = new LinkedHashMap<>();
        for (BenchRun run : before) {
            run.rows().forEach(r -> old.merge(r.key(), fast(r), BenchComparison::concat));
        }
        List<Change> changes = new ArrayList<>();
        List<String> unmatched = new ArrayList<>();
        for (BenchRow r : after.rows()) {
            double[] was = old.remove(r.key());
            if (was == null) {
                unmatched.add(r.key() + " is new");
            } else {
                changes.add(change(r.key(), new Samples(was), new Samples(fast(r)), threshold));
            }
        }
        old.keySet().forEach(k -> unmatched.add(k + " is only in the baseline"));
        return new BenchComparison(threshold, changes, unmatched);
    }

    private static double[] fast(BenchRow r) {
        double[] rounds = r.quick().clone();
        Arrays.sort(rounds);
        return Arrays.copyOf(rounds, (rounds.length + 1) / 2);
    }

    private static double[] concat(double[] a, double[] b) {
        double[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    private static Change change(String key, Samples old, Samples now, double threshold) {
        double low = now.quantile(0) / old.quantile(1);
        double high = now.quantile(1) / old.quantile(0);
        double limit = 1 + threshold;
        Verdict v = low > limit
                ? Verdict.SLOWER
                : high < 1 / limit ? Verdict.FASTER : high > limit && high / low > limit ? Verdict.NOISY : Verdict.SAME;
        return new Change(key, now.median() / old.median(), low, high, v);
    }

    /** Whether nothing is slower. */
    boolean ok() {
        return changes.stream().noneMatch(c -> c.verdict == Verdict.SLOWER);
    }

    /** The change of the whole: the median ratio of all rows. */
    double overall() {
        return changes.isEmpty()
                ? 1
                : new Samples(changes.stream().mapToDouble(Change::ratio).toArray()).median();
    }

    private long count(Verdict v) {
        return changes.stream().filter(c -> c.verdict == v).count();
    }

    List<String> text() {
        List<String> lines = new ArrayList<>();
        for (Change c : changes) {
            if (c.verdict != Verdict.SAME) {
                lines.add(BenchFiles.format(
                        "%-7s %-60s %.2f times the baseline's time (%.2f to %.2f)",
                        c.verdict.name().toLowerCase(java.util.Locale.ROOT), c.key, c.ratio, c.low, c.high));
            }
        }
        lines.addAll(unmatched);
        lines.add(BenchFiles.format(
                "%d rows against the baseline, threshold %.0f %%: %d slower, %d faster, %d the same, %d too noisy to"
                        + " tell; median of all %.2f",
                changes.size(),
                100 * threshold,
                count(Verdict.SLOWER),
                count(Verdict.FASTER),
                count(Verdict.SAME),
                count(Verdict.NOISY),
                overall()));
        return lines;
    }
}
