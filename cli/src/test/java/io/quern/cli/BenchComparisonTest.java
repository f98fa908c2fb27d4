package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Rng;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What counts as slower, on times made up. */
class BenchComparisonTest {
    private static final int ROUNDS = 7;
    private static final int ROWS = 100;

    /** Rounds around {@code time} with a relative noise, of which a twentieth are much slower, as on a busy machine. */
    private static double[] rounds(Rng rng, double time, double noise) {
        double[] x = new double[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            double disturbed = rng.nextInt(20) == 0 ? 1.5 : 1;
            x[i] = time * disturbed * (1 + noise * Math.abs(rng.nextGaussian()));
        }
        return x;
    }

    private static BenchRun run(Rng rng, double noise, double slowDown, int slowRow) {
        List<BenchRow> rows = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            double[] x = rounds(rng, (i + 1) * 1e-5 * (i == slowRow ? slowDown : 1), noise);
            rows.add(new BenchRow("op" + i, "1x1", "F32", "call", x, x, 1, 1));
        }
        return new BenchRun(Map.of(), null, rows);
    }

    @Test
    void aSlowDownOfAFifthIsCaughtAndNamed() {
        int caught = 0;
        for (int repeat = 0; repeat < 20; repeat++) {
            BenchComparison c = BenchComparison.of(
                    List.of(run(new Rng(repeat), 0.02, 1, -1)), run(new Rng(100 + repeat), 0.02, 1.2, 17), 0.1);
            List<BenchComparison.Change> slower = c.changes().stream()
                    .filter(x -> x.verdict() == BenchComparison.Verdict.SLOWER)
                    .toList();
            caught += slower.size() == 1 && slower.getFirst().key().equals("op17 1x1 F32") && !c.ok() ? 1 : 0;
        }
        assertTrue(caught >= 16, "caught " + caught + " of 20");
    }

    @Test
    void tenCleanRepeatsAreQuiet() {
        BenchRun baseline = run(new Rng(1), 0.03, 1, -1);
        for (int repeat = 0; repeat < 10; repeat++) {
            BenchComparison c = BenchComparison.of(List.of(baseline), run(new Rng(200 + repeat), 0.03, 1, -1), 0.1);
            assertTrue(c.ok(), () -> String.join("\n", c.text()));
            assertEquals(1, c.overall(), 0.03);
        }
    }

    @Test
    void theIntervalIsThatOfTheMiddleHalves() {
        BenchComparison.Change c = BenchComparison.of(List.of(of(row(8, 1, 2, 4, 16))), of(row(50, 9, 90, 10, 12)), 0.1)
                .changes()
                .getFirst();
        assertEquals(12.0 / 4, c.ratio());
        assertEquals(10.0 / 8, c.low());
        assertEquals(50.0 / 2, c.high());
        assertEquals(BenchComparison.Verdict.SLOWER, c.verdict());
    }

    /** As where other guests take the machine's processors, for some rounds or for a whole run. */
    @Test
    void whatSlowsAllRowsOfARoundIsTheMachine() {
        for (int repeat = 0; repeat < 10; repeat++) {
            BenchRun before = drifting(run(new Rng(repeat), 0.02, 1, -1), new Rng(1000 + repeat));
            BenchRun clean = drifting(run(new Rng(300 + repeat), 0.02, 1, -1), new Rng(2000 + repeat));
            BenchComparison quiet = BenchComparison.of(List.of(before), clean, 0.1);
            assertTrue(quiet.ok(), () -> String.join("\n", quiet.text()));
        }
        BenchRun before = run(new Rng(1), 0.02, 1, -1);
        BenchComparison c =
                BenchComparison.of(List.of(before), drifting(run(new Rng(2), 0.02, 1.25, 40), new Rng(3)), 0.1);
        assertFalse(c.ok());
        assertEquals(
                List.of("op40 1x1 F32"),
                c.changes().stream()
                        .filter(x -> x.verdict() == BenchComparison.Verdict.SLOWER)
                        .map(BenchComparison.Change::key)
                        .toList());
        assertTrue(c.overall() > 1.2, "as measured, all took longer: " + c.overall());
    }

    /** Every round takes 1 to 3 times as long, all rows alike. */
    private static BenchRun drifting(BenchRun run, Rng rng) {
        double[] factors = new double[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            factors[i] = 1 + rng.nextInt(2001) / 1000.0;
        }
        List<BenchRow> rows = run.rows().stream()
                .map(r -> {
                    double[] x = r.quick().clone();
                    for (int i = 0; i < ROUNDS; i++) {
                        x[i] *= factors[i];
                    }
                    return new BenchRow(r.op(), r.shape(), r.dtype(), r.unit(), x, x, r.flops(), r.bytes());
                })
                .toList();
        return new BenchRun(run.machine(), run.roofs(), rows);
    }

    /** What changes from process to process is known from several. */
    @Test
    void severalBaselinesWidenTheInterval() {
        BenchRow now = row(1.2, 1.2, 1.2);
        assertFalse(BenchComparison.of(List.of(of(row(1, 1, 1))), of(now), 0.1).ok());
        BenchComparison c = BenchComparison.of(List.of(of(row(1, 1, 1)), of(row(1.15, 1.15, 1.15))), of(now), 0.1);
        assertTrue(c.ok());
        assertEquals(BenchComparison.Verdict.NOISY, c.changes().getFirst().verdict());
    }

    @Test
    void singleRoundsGiveTheirRatio() {
        BenchComparison.Change c = BenchComparison.of(List.of(of(row(1))), of(row(2)), 0.1)
                .changes()
                .getFirst();
        assertEquals(2, c.low());
        assertEquals(2, c.high());
        BenchComparison faster = BenchComparison.of(List.of(of(row(2))), of(row(1)), 0.1);
        assertEquals(BenchComparison.Verdict.FASTER, faster.changes().getFirst().verdict());
        assertTrue(faster.ok());
    }

    @Test
    void rowsOfOneRunOnlyAreTold() {
        BenchRun a = of(new BenchRow("a", "", "", "call", new double[] {1}, new double[] {1}, 1, 1));
        BenchRun b = of(new BenchRow("b", "", "", "call", new double[] {1}, new double[] {1}, 1, 1));
        BenchComparison c = BenchComparison.of(List.of(a), b, 0.1);
        assertEquals(2, c.unmatched().size());
        assertTrue(c.changes().isEmpty() && c.ok());
        assertFalse(c.text().isEmpty());
    }

    private static BenchRow row(double... seconds) {
        return new BenchRow("op", "1x1", "F32", "call", seconds, seconds, 1, 1);
    }

    private static BenchRun of(BenchRow row) {
        return new BenchRun(Map.of(), null, List.of(row));
    }
}
