package io.quern.cli;

import io.quern.cli.ProcessTest.Outcome;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A run against earlier ones, or against another build that was measured in turns with it. The unit of the statistics is the
 * process, see {@link ProcessTest}: what the compiler chose and where operands lie differs from one to the next, and no number of rounds
 * within a process tells by how much.
 *
 * @param threshold such as 0.1 for a tenth
 * @param unmatched rows that only one of the runs has
 */
record BenchComparison(double threshold, List<Change> changes, List<String> unmatched) {
    /** The chance of a false alarm in a whole comparison. */
    static final double FALSE_ALARM = 0.01;

    /** A change is told from so many processes on, and no more are started for it than {@link #MOST}. */
    static final int FEWEST = 3;

    static final int MOST = 10;

    /** What became of a row. */
    enum Verdict {
        SLOWER,
        FASTER,
        SAME,
        /** It looks slower than the threshold allows, but that can be chance. */
        UNDECIDED,
        /** The interval holds a change beyond the threshold and none. */
        NOISY
    }

    /**
     * A row that both runs have.
     *
     * @param ratio of the new time to the old one, on a machine as fast as then
     * @param low end of its interval of 95 %
     * @param high end of that
     * @param p the chance of such a ratio if nothing had changed, times the number of chances taken; at most 1
     * @param processes that measured it now
     * @param time ratio of the times as they were measured
     */
    record Change(
            String key, double ratio, double low, double high, double p, int processes, Verdict verdict, double time) {
        /** Whether measuring it in more processes may decide it. */
        boolean open(double threshold) {
            double half = Math.sqrt(1 + threshold);
            boolean decided = verdict == Verdict.SLOWER || verdict == Verdict.FASTER;
            return !decided && processes < MOST && (ratio > half || ratio < 1 / half);
        }
    }

    private record Row(BenchRow now, List<double[]> was, List<double[]> is, double time) {}

    /** Against earlier runs: what the yardsticks tell of the machine's speed is taken out. */
    static BenchComparison of(List<BenchRun> before, BenchRun after, double threshold) {
        Map<String, List<BenchRow.Rounds>> old = new LinkedHashMap<>();
        before.forEach(run -> run.rows()
                .forEach(r ->
                        old.computeIfAbsent(r.key(), k -> new ArrayList<>()).addAll(r.processes())));
        List<Row> rows = new ArrayList<>();
        for (BenchRow r : after.rows()) {
            if (old.containsKey(r.key())) {
                List<BenchRow.Rounds> was = old.get(r.key());
                Paces paces = Paces.plausible(was, r.processes());
                rows.add(new Row(r, paces.relative(was), paces.relative(r.processes()), time(r, was)));
            }
        }
        return of(rows, unmatched(old.keySet(), after), threshold);
    }

    /**
     * Against a build whose processes ran beside those of this one and took turns with them, round by round. Whatever else the
     * machine does can only delay, and both processes get the same share of its better moments, so the quotient of the shortest
     * times differs from pair to pair by a few percent where medians differ by tens.
     */
    static BenchComparison inTurns(BenchRun other, BenchRun self, double threshold) {
        Map<String, List<BenchRow.Rounds>> old = new LinkedHashMap<>();
        other.rows().forEach(r -> old.put(r.key(), r.processes()));
        List<Row> rows = new ArrayList<>();
        for (BenchRow r : self.rows()) {
            List<BenchRow.Rounds> was = old.get(r.key());
            if (was != null) {
                List<double[]> pairs = IntStream.range(0, was.size())
                        .mapToObj(i ->
                                new double[] {Math.log(least(r.processes().get(i)) / least(was.get(i)))})
                        .toList();
                rows.add(new Row(r, null, pairs, time(r, was)));
            }
        }
        return of(rows, unmatched(old.keySet(), self), threshold);
    }

    private static BenchComparison of(List<Row> rows, List<String> unmatched, double threshold) {
        List<Outcome> outcomes = ProcessTest.of(
                rows.stream().map(r -> new ProcessTest.Sides(r.was, r.is)).toList());
        double chances = Math.max(1, rows.size()) * (double) (MOST - FEWEST + 1);
        List<Change> changes = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            changes.add(change(rows.get(i), outcomes.get(i), threshold, chances));
        }
        return new BenchComparison(threshold, changes, unmatched);
    }

    private static Change change(Row row, Outcome o, double threshold, double chances) {
        double limit = 1 + threshold;
        double p = Math.min(1, Math.min(o.slower(), o.faster()) * chances);
        boolean certain = p < FALSE_ALARM && row.is.size() >= FEWEST;
        double low = Math.exp(o.low());
        double high = Math.exp(o.high());
        Verdict v;
        if (certain && Math.exp(o.least()) > limit) {
            v = Verdict.SLOWER;
        } else if (certain && Math.exp(o.most()) < 1 / limit) {
            v = Verdict.FASTER;
        } else if (Math.exp(o.log()) > limit) {
            v = Verdict.UNDECIDED;
        } else {
            v = high > limit && high / low > limit ? Verdict.NOISY : Verdict.SAME;
        }
        return new Change(row.now.key(), Math.exp(o.log()), low, high, p, row.is.size(), v, row.time);
    }

    private static List<String> unmatched(java.util.Set<String> old, BenchRun after) {
        List<String> now = after.rows().stream().map(BenchRow::key).toList();
        List<String> all = new ArrayList<>();
        now.stream().filter(k -> !old.contains(k)).forEach(k -> all.add(k + " is new"));
        old.stream().filter(k -> !now.contains(k)).forEach(k -> all.add(k + " is only in the baseline"));
        return all;
    }

    private static double least(BenchRow.Rounds rounds) {
        return Arrays.stream(rounds.least()).min().orElseThrow();
    }

    private static double time(BenchRow now, List<BenchRow.Rounds> was) {
        double[] all =
                was.stream().flatMapToDouble(r -> Arrays.stream(r.quick())).toArray();
        return median(now.quick()) / median(all);
    }

    private static double median(double[] x) {
        return new Samples(x).median();
    }

    /** Whether nothing is slower; if {@code strict}, nor undecided. */
    boolean ok(boolean strict) {
        return count(Verdict.SLOWER) == 0 && !(strict && count(Verdict.UNDECIDED) > 0);
    }

    /** What is worth measuring in more processes. */
    List<String> open() {
        return changes.stream().filter(c -> c.open(threshold)).map(Change::key).toList();
    }

    /** With those of which nothing can be said yet. */
    List<String> unsettled() {
        return changes.stream()
                .filter(c -> c.open(threshold) || c.verdict == Verdict.NOISY && c.processes < MOST)
                .map(Change::key)
                .toList();
    }

    /** The change of the whole: the median of all rows' ratios as they were measured, the machine's own included. */
    double overall() {
        return changes.isEmpty()
                ? 1
                : median(changes.stream().mapToDouble(Change::time).toArray());
    }

    private long count(Verdict v) {
        return changes.stream().filter(c -> c.verdict == v).count();
    }

    List<String> text() {
        List<String> lines = new ArrayList<>();
        for (Change c : changes) {
            if (c.verdict != Verdict.SAME) {
                lines.add(BenchFiles.format(
                        "%-9s %-58s %.2f times the time before (%.2f to %.2f), p = %.2g, %d process%s",
                        c.verdict.name().toLowerCase(Locale.ROOT),
                        c.key,
                        c.ratio,
                        c.low,
                        c.high,
                        c.p,
                        c.processes,
                        c.processes == 1 ? "" : "es"));
            }
        }
        lines.addAll(unmatched);
        if (count(Verdict.UNDECIDED) > 0) {
            lines.add("what is undecided looks slower, but that can be chance: measure again with more --patience, or"
                    + " give the older build itself as --baseline");
        }
        lines.add(BenchFiles.format(
                "%d rows compared, threshold %.0f %%: %d slower, %d faster, %d the same, %d undecided, %d too noisy to"
                        + " tell; all together took %.2f times as long",
                changes.size(),
                100 * threshold,
                count(Verdict.SLOWER),
                count(Verdict.FASTER),
                count(Verdict.SAME),
                count(Verdict.UNDECIDED),
                count(Verdict.NOISY),
                overall()));
        return lines;
    }
}
