package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Rng;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What counts as slower, on times made up: of rows that arithmetic and memory bound, on machines of every kind. */
class BenchComparisonTest {
    private static final int ROUNDS = 7;
    private static final int ROWS = 60;
    private static final int BASELINE = 5;
    private static final double THRESHOLD = 0.1;

    /**
     * A machine.
     *
     * @param process standard deviation between processes
     * @param round the same between rounds; a tenth of them takes half as long again besides
     * @param drift by how much arithmetic and memory may each be slower, for a while
     * @param moded the part of the processes in which every tenth row takes half as long again
     */
    private record Machine(double process, double round, double drift, double moded) {}

    private static final Machine QUIET = new Machine(0.03, 0.03, 0, 0);
    private static final Machine DRIFTING = new Machine(0.03, 0.05, 1.5, 0);
    private static final Machine MODED = new Machine(0.02, 0.03, 0.5, 0.2);

    /** Rows measured by one process: row i is bound by arithmetic to i parts of all, and row {@code slow} takes a fifth longer. */
    private static List<BenchRow.Rounds> process(Rng rng, Machine m, Set<Integer> which, int slow) {
        double[] compute = phases(rng, m.drift);
        double[] memory = phases(rng, m.drift);
        List<BenchRow.Rounds> all = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            double share = i / (ROWS - 1.0);
            double mode = i % 10 == 3 && rng.nextInt(1000) < 1000 * m.moded ? 1.5 : 1;
            double own = mode * Math.exp(m.process * rng.nextGaussian()) * (i == slow ? 1.2 : 1) * (i + 1) * 1e-5;
            double[] x = new double[ROUNDS];
            for (int r = 0; r < ROUNDS; r++) {
                double disturbed = rng.nextInt(10) == 0 ? 1.5 : 1;
                x[r] = own
                        * disturbed
                        * Math.exp(m.round * rng.nextGaussian())
                        * Math.pow(compute[r], share)
                        * Math.pow(memory[r], 1 - share);
            }
            all.add(which.contains(i) ? new BenchRow.Rounds(x, x, x, compute, memory) : null);
        }
        return all;
    }

    /** A new speed every other round, and a percent of noise of the yardstick. */
    private static double[] phases(Rng rng, double drift) {
        double[] x = new double[ROUNDS];
        double now = 1;
        for (int i = 0; i < ROUNDS; i++) {
            now = i % 2 == 0 ? 1 + drift * rng.nextInt(1001) / 1000.0 : now;
            x[i] = now * Math.exp(0.01 * rng.nextGaussian());
        }
        return x;
    }

    private static final Set<Integer> ALL = IntStream.range(0, ROWS).boxed().collect(Collectors.toSet());

    private static BenchRun measured(Rng rng, Machine m, int processes, int slow) {
        BenchRun run = null;
        for (int i = 0; i < processes; i++) {
            run = more(run, process(rng, m, ALL, slow));
        }
        return run;
    }

    private static BenchRun more(BenchRun run, List<BenchRow.Rounds> process) {
        List<BenchRow> rows = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            BenchRow.Rounds r = process.get(i);
            rows.add(
                    run == null
                            ? new BenchRow("op" + i, "1x1", "F32", "call", List.of(r), 1, 1)
                            : r == null ? run.rows().get(i) : run.rows().get(i).and(r));
        }
        return new BenchRun(Map.of(), null, rows);
    }

    /** As the command does: one process, and then more for what is open. */
    private static BenchComparison settled(Rng rng, Machine m, BenchRun baseline, int slow) {
        BenchRun run = measured(rng, m, 1, slow);
        while (true) {
            BenchComparison c = BenchComparison.of(List.of(baseline), run, THRESHOLD);
            List<String> open = c.open();
            if (open.isEmpty()) {
                return c;
            }
            Set<Integer> which = open.stream()
                    .map(k -> Integer.parseInt(k.substring(2, k.indexOf(' '))))
                    .collect(Collectors.toSet());
            run = more(run, process(rng, m, which, slow));
        }
    }

    private static List<String> slower(BenchComparison c) {
        return c.changes().stream()
                .filter(x -> x.verdict() == BenchComparison.Verdict.SLOWER)
                .map(BenchComparison.Change::key)
                .toList();
    }

    @Test
    void cleanRepeatsAreQuietOnEveryMachine() {
        for (Machine m : List.of(QUIET, DRIFTING, MODED)) {
            int alarms = 0;
            for (int repeat = 0; repeat < 40; repeat++) {
                Rng rng = new Rng(repeat);
                alarms += settled(rng, m, measured(rng, m, BASELINE, -1), -1).ok(false) ? 0 : 1;
            }
            assertTrue(alarms <= 1, m + ": " + alarms + " false alarms in 40 runs");
        }
    }

    @Test
    void aSlowDownOfAFifthIsCaughtAndNamed() {
        for (Machine m : List.of(QUIET, DRIFTING)) {
            for (int slow : new int[] {0, 27, 59}) {
                int caught = 0;
                for (int repeat = 0; repeat < 20; repeat++) {
                    Rng rng = new Rng(1000 + repeat);
                    BenchComparison c = settled(rng, m, measured(rng, m, BASELINE, -1), slow);
                    caught += slower(c).equals(List.of("op" + slow + " 1x1 F32")) ? 1 : 0;
                }
                assertTrue(caught >= 18, m + ", row " + slow + ": caught " + caught + " of 20");
            }
        }
    }

    /** Where processes differ by half, a fifth cannot be told from chance; it must be neither an alarm nor passed over. */
    @Test
    void whatProcessesDoNotAgreeOnIsUndecided() {
        List<BenchRow.Rounds> was = rounds(57, 60, 88, 59, 86);
        BenchComparison c = BenchComparison.of(
                List.of(run("layer_norm", was)), run("layer_norm", rounds(70, 104, 72, 71, 102)), THRESHOLD);
        BenchComparison.Change change = c.changes().getFirst();
        assertEquals(BenchComparison.Verdict.UNDECIDED, change.verdict(), change.toString());
        assertTrue(c.ok(false));
        assertFalse(c.ok(true), "strict");
        assertEquals(List.of("layer_norm 1x1 F32"), c.open());
        assertTrue(String.join("\n", c.text()).contains("1 undecided"), c.text().toString());
    }

    /** Ten times the rounds of a process that happens to be slow say no more than a few. */
    @Test
    void roundsDoNotStandForProcesses() {
        double[] x = new double[70];
        Arrays.fill(x, 1.5);
        BenchComparison c = BenchComparison.of(
                List.of(run("op", rounds(1, 1.01, 0.99, 1, 1))),
                run("op", List.of(new BenchRow.Rounds(x, x))),
                THRESHOLD);
        assertEquals(BenchComparison.Verdict.UNDECIDED, c.changes().getFirst().verdict());
        BenchComparison three = BenchComparison.of(
                List.of(run("op", rounds(1, 1.01, 0.99, 1, 1))), run("op", rounds(1.5, 1.5, 1.51)), THRESHOLD);
        assertEquals(BenchComparison.Verdict.SLOWER, three.changes().getFirst().verdict());
    }

    /** Memory is half as fast as when the baseline was made: of a row of which nobody knows what bounds it, nothing follows. */
    @Test
    void theYardstickLeastFavourableToAChangeCounts() {
        List<BenchRow.Rounds> was = List.of(paced(1, 1), paced(1.01, 1), paced(0.99, 1), paced(1, 1), paced(1, 1));
        List<BenchRow.Rounds> is = List.of(paced(1.5, 2), paced(1.51, 2), paced(1.49, 2));
        BenchComparison c = BenchComparison.of(List.of(run("op", was)), run("op", is), THRESHOLD);
        assertTrue(c.ok(false), c.text().toString());
        // Processes of the baseline that saw both tell that arithmetic bounds it.
        List<BenchRow.Rounds> told = List.of(paced(1, 1), paced(1.01, 2), paced(0.99, 1.5), paced(1, 1), paced(1, 2));
        assertFalse(BenchComparison.of(List.of(run("op", told)), run("op", is), THRESHOLD)
                .ok(false));
    }

    private static BenchRow.Rounds paced(double seconds, double memory) {
        double[] x = {seconds};
        return new BenchRow.Rounds(x, x, x, new double[] {1}, new double[] {memory});
    }

    /** Everything slower, the yardsticks too: the machine. Everything but the yardsticks: the program. */
    @Test
    void theMachineIsNoAlarmAndTheProgramIs() {
        List<BenchRow.Rounds> was = List.of(paced(1, 1), paced(1.01, 1), paced(0.99, 1), paced(1, 1), paced(1, 1));
        List<BenchRow.Rounds> machine = was.stream()
                .map(r -> new BenchRow.Rounds(
                        new double[] {3 * r.seconds()[0]},
                        new double[] {3 * r.quick()[0]},
                        new double[] {3 * r.least()[0]},
                        new double[] {3},
                        new double[] {3}))
                .toList();
        BenchComparison c = BenchComparison.of(List.of(run("op", was)), run("op", machine), THRESHOLD);
        assertTrue(c.ok(false), c.text().toString());
        assertEquals(3, c.overall(), 1e-9);
        List<BenchRow.Rounds> program = List.of(paced(3, 1), paced(3.01, 1), paced(2.99, 1));
        assertFalse(BenchComparison.of(List.of(run("op", was)), run("op", program), THRESHOLD)
                .ok(false));
    }

    /**
     * Pairs on a machine that is slower by up to half for a while, and of which others take a core in two of five
     * measurements.
     */
    private static List<List<BenchRow.Rounds>> pair(Rng rng, double factor) {
        double own = factor * Math.exp(0.03 * rng.nextGaussian());
        double[][] x = new double[2][ROUNDS];
        double phase = 1;
        for (int r = 0; r < ROUNDS; r++) {
            phase = rng.nextInt(3) == 0 ? 1 + rng.nextInt(1000) / 2000.0 : phase;
            for (int side = 0; side < 2; side++) {
                double disturbed = rng.nextInt(5) < 2 ? 1.2 + rng.nextInt(1000) / 1000.0 : 1;
                x[side][r] = phase * disturbed * (side == 0 ? 1 : own) * Math.exp(0.02 * rng.nextGaussian());
            }
        }
        return List.of(List.of(new BenchRow.Rounds(x[0], x[0])), List.of(new BenchRow.Rounds(x[1], x[1])));
    }

    /** As the command does: three pairs, and then more while nothing certain can be said. */
    private static BenchComparison inTurns(Rng rng, double factor) {
        List<BenchRow.Rounds> was = new ArrayList<>();
        List<BenchRow.Rounds> is = new ArrayList<>();
        while (true) {
            List<List<BenchRow.Rounds>> pair = pair(rng, factor);
            was.addAll(pair.getFirst());
            is.addAll(pair.getLast());
            if (was.size() >= BenchComparison.FEWEST) {
                BenchComparison c = BenchComparison.inTurns(run("op", was), run("op", is), THRESHOLD);
                if (c.unsettled().isEmpty()) {
                    return c;
                }
            }
        }
    }

    @Test
    void pairsCancelTheMachine() {
        int alarms = 0;
        int caught = 0;
        for (int repeat = 0; repeat < 200; repeat++) {
            alarms += inTurns(new Rng(repeat), 1).ok(false) ? 0 : 1;
            caught += inTurns(new Rng(1000 + repeat), 1.2).ok(false) ? 0 : 1;
        }
        assertTrue(alarms <= 1, alarms + " false alarms in 200 runs");
        assertTrue(caught >= 180, "caught " + caught + " of 200");
    }

    @Test
    void fasterIsTold() {
        BenchComparison c = BenchComparison.of(
                List.of(run("op", rounds(1, 1.01, 0.99, 1, 1))), run("op", rounds(0.5, 0.5, 0.51)), THRESHOLD);
        assertEquals(BenchComparison.Verdict.FASTER, c.changes().getFirst().verdict());
        assertTrue(c.ok(true));
    }

    @Test
    void rowsOfOneRunOnlyAreTold() {
        BenchComparison c = BenchComparison.of(List.of(run("a", rounds(1))), run("b", rounds(1)), THRESHOLD);
        assertEquals(2, c.unmatched().size());
        assertTrue(c.changes().isEmpty() && c.ok(true));
        assertFalse(c.text().isEmpty());
    }

    /** Tables of Student's distribution. */
    @Test
    void theTailOfStudentsDistribution() {
        assertEquals(0.05, StudentT.above(6.314, 1), 1e-5);
        assertEquals(0.025, StudentT.above(2.228, 10), 1e-5);
        assertEquals(0.0005, StudentT.above(3.646, 30), 1e-6);
        assertEquals(0.975, StudentT.above(-2.228, 10), 1e-5);
        assertEquals(63.657, StudentT.exceeded(0.005, 1), 1e-2);
        assertEquals(4.144, StudentT.exceeded(0.001, 10), 1e-3);
        assertEquals(0.5, StudentT.above(0, 7), 1e-12);
    }

    private static List<BenchRow.Rounds> rounds(double... times) {
        return Arrays.stream(times)
                .mapToObj(t -> new BenchRow.Rounds(new double[] {t}, new double[] {t}))
                .toList();
    }

    private static BenchRun run(String op, List<BenchRow.Rounds> processes) {
        return new BenchRun(Map.of(), null, List.of(new BenchRow(op, "1x1", "F32", "call", processes, 1, 1)));
    }
}
