package io.quern.train.search;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SearchTest {
    private static final SearchSpace SPACE = new SearchSpace(List.of(
            Dimension.parse("lr=log:1e-4..1e-2"),
            Dimension.parse("dropout=0..0.3"),
            Dimension.parse("layers=int:2..5"),
            Dimension.parse("schedule=cosine,linear,constant")));

    @Test
    void placesBecomeValues() {
        assertEquals(
                Map.of("lr", 1e-3, "dropout", 0.15, "layers", 4L, "schedule", "linear"),
                SPACE.values(new double[] {0.5, 0.5, 0.5, 0.5}));
        assertEquals(
                Map.of("lr", 1e-4, "dropout", 0.0, "layers", 2L, "schedule", "cosine"),
                SPACE.values(new double[] {0, 0, 0, 0}));
        assertEquals(
                Map.of("lr", 1e-2, "dropout", 0.3, "layers", 5L, "schedule", "constant"),
                SPACE.values(new double[] {1, 1, 1, 1}));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "lr",
                "lr=",
                "=0..1",
                "lr=1",
                "lr=log:0..1",
                "lr=1..0",
                "lr=a..b",
                "layers=int:1.5..3",
                "a=x,,y",
                "lr=0..Infinity",
                "lr=..1"
            })
    void whatIsNoSpaceIsRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> Dimension.parse(text));
    }

    @Test
    void aGridHasEveryCombinationOnce() {
        Searcher grid = Searcher.grid(SPACE, 3);
        Set<Map<String, Object>> all = new HashSet<>();
        List<Observation> before = new ArrayList<>();
        while (grid.next(before).isPresent()) {
            double[] p = grid.next(before).get();
            all.add(SPACE.values(p));
            before.add(new Observation(p, 1));
        }
        assertEquals(3 * 3 * 3 * 3, before.size());
        assertEquals(before.size(), all.size());
        assertEquals(4, Dimension.parse("layers=int:2..5").grid(10).length);
    }

    private static double search(Searcher searcher, int trials, ToDoubleFunction<Map<String, Object>> loss) {
        List<Observation> before = new ArrayList<>();
        double best = Double.POSITIVE_INFINITY;
        for (int i = 0; i < trials; i++) {
            double[] p = searcher.next(before).orElseThrow();
            for (double x : p) {
                assertTrue(x >= 0 && x <= 1, "place " + x);
            }
            double l = loss.applyAsDouble(SPACE.values(p));
            best = Double.isNaN(l) ? best : Math.min(best, l);
            before.add(new Observation(p, l));
        }
        return best;
    }

    /** A valley, with a cliff where training diverges. */
    private static double valley(Map<String, Object> v) {
        double lr = Math.log10((double) v.get("lr"));
        if (lr > -2.3) {
            return Double.NaN;
        }
        double schedule = v.get("schedule").equals("linear") ? 0 : 0.3;
        return Math.pow(lr + 2.7, 2)
                + Math.pow((double) v.get("dropout") - 0.1, 2) * 10
                + 0.1 * Math.abs((long) v.get("layers") - 4)
                + schedule;
    }

    @Test
    void theEstimatorFindsLowerLossesThanChance() {
        int wins = 0;
        double tpe = 0;
        double random = 0;
        for (int seed = 0; seed < 20; seed++) {
            double a = search(new TpeSearch(SPACE, seed, 8), 40, SearchTest::valley);
            double b = search(Searcher.random(SPACE, seed), 40, SearchTest::valley);
            tpe += a / 20;
            random += b / 20;
            wins += a < b ? 1 : 0;
        }
        assertTrue(wins >= 14 && tpe < 0.75 * random, wins + " wins, mean " + tpe + " against " + random);
    }

    @Test
    void aSearchGoesOnFromItsObservations() {
        TpeSearch first = new TpeSearch(SPACE, 7, 4);
        List<Observation> before = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            double[] p = first.next(before).orElseThrow();
            assertArrayEquals(
                    p, new TpeSearch(SPACE, 7, 4).next(List.copyOf(before)).orElseThrow());
            before.add(new Observation(p, valley(SPACE.values(p))));
        }
    }

    @Test
    void halvingEndsWithTheWholeTraining() {
        Halving h = Halving.of(1000, 3, 3);
        assertEquals(List.of(111L, 333L, 1000L), h.steps());
        assertEquals(3, h.survivors(10));
        assertEquals(1, h.survivors(2));
        assertThrows(IllegalArgumentException.class, () -> Halving.of(3, 2, 3));
    }
}
