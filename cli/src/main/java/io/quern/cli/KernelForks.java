package io.quern.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Measures rows in other processes: the same again in fresh ones, or two builds in turns. */
final class KernelForks {
    private static final String THIS = "a process of this quern";

    private final List<String> self;
    private final List<KernelCases.Case> cases;
    private final long end;
    private final Output output;

    /**
     * @param self the command of a worker of this build, see {@link KernelWorker}
     * @param patience seconds until no more processes are started for what is undecided
     */
    KernelForks(List<String> self, List<KernelCases.Case> cases, double patience, Output output) {
        this.self = self;
        this.cases = cases;
        this.end = System.nanoTime() + (long) (patience * 1e9);
        this.output = output;
    }

    private boolean late() {
        return System.nanoTime() > end;
    }

    private static List<String> command(List<String> worker, KernelMeter.Care care) {
        List<String> all = new ArrayList<>(worker);
        all.addAll(List.of("--care", care.name()));
        return all;
    }

    /** All rows, by so many processes one after the other; what the device refuses is left out. */
    List<BenchRow> measure(int forks) {
        Map<String, BenchRow> rows = new LinkedHashMap<>();
        for (int i = 0; i < forks; i++) {
            output.note("process " + (i + 1) + " of " + forks);
            measure(cases.stream().map(KernelCases.Case::key).toList(), rows);
        }
        return new ArrayList<>(rows.values());
    }

    /** Once more in fresh processes what the comparison leaves open, until nothing is or patience ends. */
    BenchRun settle(BenchRun run, Function<BenchRun, BenchComparison> compare) {
        Map<String, BenchRow> rows = new LinkedHashMap<>();
        run.rows().forEach(r -> rows.put(r.key(), r));
        BenchRun now = run;
        while (!late()) {
            List<String> open = compare.apply(now).open();
            List<String> keys = cases.stream()
                    .map(KernelCases.Case::key)
                    .filter(open::contains)
                    .toList();
            if (keys.isEmpty()) {
                break;
            }
            output.note(
                    keys.size() + " of " + rows.size() + " rows look different: measuring them in one more process");
            measure(keys, rows);
            now = new BenchRun(run.machine(), run.roofs(), new ArrayList<>(rows.values()));
        }
        return now;
    }

    private void measure(List<String> keys, Map<String, BenchRow> rows) {
        KernelMeter.Care care = KernelMeter.Care.of(keys.size());
        try (KernelFork fork = new KernelFork(THIS, command(self, care))) {
            Map<String, List<KernelMeter.Round>> rounds = new LinkedHashMap<>();
            keys.forEach(k -> rounds.put(k, new ArrayList<>()));
            for (int r = 0; r < care.rounds(); r++) {
                for (String key : keys) {
                    KernelMeter.Round one = rounds.containsKey(key) ? fork.measure(key) : null;
                    if (one == null) {
                        rounds.remove(key);
                    } else {
                        rounds.get(key).add(one);
                    }
                }
            }
            rounds.forEach((k, all) -> add(rows, k, all));
        }
    }

    private void add(Map<String, BenchRow> rows, String key, List<KernelMeter.Round> all) {
        BenchRow.Rounds rounds = BenchRow.Rounds.of(all);
        BenchRow row = rows.get(key);
        rows.put(
                key,
                row != null
                        ? row.and(rounds)
                        : KernelMeter.row(
                                cases.stream()
                                        .filter(c -> c.key().equals(key))
                                        .findFirst()
                                        .orElseThrow(),
                                all.getFirst(),
                                rounds));
    }

    /** What two builds measured in turns. */
    record Turns(List<BenchRow> other, List<BenchRow> self) {
        BenchComparison compare(double threshold) {
            return BenchComparison.inTurns(
                    new BenchRun(Map.of(), null, other), new BenchRun(Map.of(), null, self), threshold);
        }
    }

    /**
     * Starts pairs of processes, of both builds, which take turns round by round: {@value BenchComparison#FEWEST} pairs for all
     * rows, then more for what is left open.
     *
     * @param other the command of a worker of the other build
     */
    Turns inTurns(List<String> other, double threshold) {
        Map<String, BenchRow> was = new LinkedHashMap<>();
        Map<String, BenchRow> is = new LinkedHashMap<>();
        List<String> keys = cases.stream().map(KernelCases.Case::key).toList();
        Turns turns = null;
        for (int pair = 0; !keys.isEmpty(); pair++) {
            if (pair >= BenchComparison.FEWEST && late()) {
                break;
            }
            output.note("pair of processes " + (pair + 1) + ": " + keys.size() + " rows");
            pair(other, keys, pair, was, is);
            turns = new Turns(new ArrayList<>(was.values()), new ArrayList<>(is.values()));
            if (pair + 1 >= BenchComparison.FEWEST) {
                List<String> open = turns.compare(threshold).unsettled();
                keys = keys.stream().filter(open::contains).toList();
            }
        }
        return turns;
    }

    private void pair(
            List<String> other, List<String> keys, int pair, Map<String, BenchRow> was, Map<String, BenchRow> is) {
        KernelMeter.Care care = KernelMeter.Care.TURNS;
        try (KernelFork a = new KernelFork("the other build", command(other, care));
                KernelFork b = new KernelFork(THIS, command(self, care))) {
            if (pair == 0) {
                output.note("the other build is " + a.version() + ", this one " + b.version());
            }
            Map<String, List<KernelMeter.Round>> before = new LinkedHashMap<>();
            Map<String, List<KernelMeter.Round>> now = new LinkedHashMap<>();
            keys.stream().filter(a.keys()::contains).filter(b.keys()::contains).forEach(k -> {
                before.put(k, new ArrayList<>());
                now.put(k, new ArrayList<>());
            });
            for (int r = 0; r < care.rounds(); r++) {
                for (String key : keys) {
                    if (before.containsKey(key)) {
                        turn(a, b, key, (r + pair) % 2 == 0, before, now);
                    }
                }
            }
            before.forEach((k, all) -> add(was, k, all));
            now.forEach((k, all) -> add(is, k, all));
        }
    }

    /** Each goes first every other time: the second finds the caches of the first. */
    private static void turn(
            KernelFork a,
            KernelFork b,
            String key,
            boolean straight,
            Map<String, List<KernelMeter.Round>> before,
            Map<String, List<KernelMeter.Round>> now) {
        KernelMeter.Round first = straight ? a.measure(key) : b.measure(key);
        KernelMeter.Round second = straight ? b.measure(key) : a.measure(key);
        if (first == null || second == null) {
            before.remove(key);
            now.remove(key);
        } else {
            before.get(key).add(straight ? first : second);
            now.get(key).add(straight ? second : first);
        }
    }
}
