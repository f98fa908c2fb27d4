package io.quern.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;

/**
 * A run against one or several earlier ones. The machine may have been slower as a whole in one of them, or in some of its
 * rounds: so each round of a row is divided by how much slower than in the baseline its neighbours were in the same round
 * (their median; with fewer than {@value #FEWEST} others it stays as it is). Of what is left, the interval of the ratio goes
 * from the new rounds' lower quartile over the old ones' upper to the new upper over the old lower. A row is slower if the
 * whole interval lies beyond the threshold. What changes from process to process, such as the choices of the compiler, widens
 * the interval if there are several earlier runs. A change of all rows alike is only told, by {@link #overall}.
 *
 * @param threshold such as 0.1 for a tenth
 * @param unmatched rows that only one of the runs has
 */
record BenchComparison(double threshold, List<Change> changes, List<String> unmatched) {
    /** Rows measured next before and after, which had the same machine. */
    private static final int NEIGHBOURS = 8;

    private static final int FEWEST = 3;

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
     * @param ratio of the new time to the old one, on a machine as fast as then
     * @param low end of the interval
     * @param high end of the interval
     * @param time ratio of the times as they were measured
     */
    record Change(String key, double ratio, double low, double high, Verdict verdict, double time) {}

    static BenchComparison of(List<BenchRun> before, BenchRun after, double threshold) {
        Map<String, List<double[]>> old = new LinkedHashMap<>();
        before.forEach(run -> run.rows()
                .forEach(r ->
                        old.computeIfAbsent(r.key(), k -> new ArrayList<>()).add(r.quick())));
        Map<String, Double> usual = new LinkedHashMap<>();
        for (BenchRow r : after.rows()) {
            if (old.containsKey(r.key())) {
                usual.put(r.key(), median(old.get(r.key()).stream().flatMapToDouble(Arrays::stream)));
            }
        }
        Map<String, List<double[]>> was = new LinkedHashMap<>();
        before.forEach(run -> relative(run, usual)
                .forEach((k, x) ->
                        was.computeIfAbsent(k, key -> new ArrayList<>()).add(x)));
        Map<String, double[]> now = relative(after, usual);
        List<Change> changes = new ArrayList<>();
        List<String> unmatched = new ArrayList<>();
        for (BenchRow r : after.rows()) {
            if (usual.containsKey(r.key())) {
                double[] all = was.get(r.key()).stream()
                        .flatMapToDouble(Arrays::stream)
                        .toArray();
                double time = new Samples(r.quick()).median() / usual.get(r.key());
                changes.add(change(r.key(), new Samples(all), new Samples(now.get(r.key())), threshold, time));
            } else {
                unmatched.add(r.key() + " is new");
            }
        }
        old.keySet().stream()
                .filter(k -> !usual.containsKey(k))
                .forEach(k -> unmatched.add(k + " is only in the baseline"));
        return new BenchComparison(threshold, changes, unmatched);
    }

    /** The rounds of each row that both have, as parts of its usual time and of what its neighbours took of theirs. */
    private static Map<String, double[]> relative(BenchRun run, Map<String, Double> usual) {
        List<BenchRow> rows =
                run.rows().stream().filter(r -> usual.containsKey(r.key())).toList();
        Map<String, double[]> all = new LinkedHashMap<>();
        for (int i = 0; i < rows.size(); i++) {
            double[] x = rows.get(i).quick().clone();
            int first = Math.max(0, Math.min(i - NEIGHBOURS / 2, rows.size() - 1 - NEIGHBOURS));
            for (int round = 0; round < x.length; round++) {
                int at = round;
                BenchRow self = rows.get(i);
                double[] others = rows.subList(first, Math.min(rows.size(), first + NEIGHBOURS + 1)).stream()
                        .filter(r -> r != self && r.quick().length > at)
                        .mapToDouble(r -> r.quick()[at] / usual.get(r.key()))
                        .toArray();
                x[round] /= usual.get(self.key()) * (others.length < FEWEST ? 1 : median(Arrays.stream(others)));
            }
            all.put(rows.get(i).key(), x);
        }
        return all;
    }

    private static double median(DoubleStream x) {
        return new Samples(x.toArray()).median();
    }

    private static Change change(String key, Samples old, Samples now, double threshold, double time) {
        double low = now.quantile(0.25) / old.quantile(0.75);
        double high = now.quantile(0.75) / old.quantile(0.25);
        double limit = 1 + threshold;
        Verdict v = low > limit
                ? Verdict.SLOWER
                : high < 1 / limit ? Verdict.FASTER : high > limit && high / low > limit ? Verdict.NOISY : Verdict.SAME;
        return new Change(key, now.median() / old.median(), low, high, v, time);
    }

    /** Whether nothing is slower. */
    boolean ok() {
        return changes.stream().noneMatch(c -> c.verdict == Verdict.SLOWER);
    }

    /** The change of the whole: the median of all rows' ratios as they were measured, the machine's own included. */
    double overall() {
        return changes.isEmpty() ? 1 : median(changes.stream().mapToDouble(Change::time));
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
                        + " tell; all together took %.2f times as long",
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
