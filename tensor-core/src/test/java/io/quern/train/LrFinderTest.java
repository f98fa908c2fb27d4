package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Rng;
import io.quern.train.data.Batch;
import io.quern.train.data.Batches;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import io.quern.train.optim.Sgd;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class LrFinderTest extends LeakChecked {
    /** A line through points whose squares have mean {@code size}^2: gradient descent diverges above 1 / size^2. */
    private static Batches<Batch> line(double size) {
        Rng rng = new Rng(3, 0);
        float[] x = new float[64];
        float[] y = new float[64];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) (size * (rng.nextFloat() < 0.5 ? -1 : 1));
            y[i] = 2 * x[i];
        }
        return new Models.Rows(x, 1, y, 1);
    }

    private static LrFinder.Result find(Function<Models.Line, Optimizer> kind, double to) throws IOException {
        try (Models.Line model = new Models.Line(1);
                Optimizer optimizer = kind.apply(model)) {
            return LrFinder.find(s -> Trainer.of(model, model::loss, line(2), optimizer, s), 1e-4, to, 80);
        }
    }

    /** The loss is 4 (w - 2)^2, so a rate above 1/4 makes it grow, and rates near 1/8 solve it in one step. */
    @Test
    void theSuggestionIsBelowTheRateThatDiverges() throws IOException {
        LrFinder.Result r = find(m -> new Sgd(ParamGroup.all(m, 0)), 1000);
        assertTrue(r.diverged());
        assertTrue(r.curve().size() < 80, "ended after " + r.curve().size());
        assertTrue(r.suggestion() > 1e-3 && r.suggestion() < 0.25, "suggestion " + r.suggestion());
        assertTrue(r.steepest() > 1e-3 && r.steepest() < 0.25, "steepest " + r.steepest());
        assertTrue(r.lowest() > r.suggestion() && r.lowest() < 100, "lowest " + r.lowest());
    }

    @Test
    void withoutDivergenceAllRatesAreTried() throws IOException {
        LrFinder.Result r = find(m -> new AdamW(ParamGroup.all(m, 0), 0.9, 0.99, 1e-8), 0.01);
        assertFalse(r.diverged());
        assertEquals(80, r.curve().size());
        assertEquals(1e-4, r.curve().getFirst().lr(), 1e-12);
        assertEquals(0.01, r.curve().getLast().lr(), 1e-12);
        assertEquals(r.curve().getFirst().loss(), r.curve().getFirst().smoothed(), 1e-9);
    }

    /** fastai's arithmetic by hand. */
    @Test
    void theSuggestionIsInTheValley() {
        double[] losses = {5, 5, 5, 5, 4, 3, 2.5, 2, 1.5, 1, 3, 9};
        List<LrFinder.Point> curve = new ArrayList<>();
        for (int i = 0; i < losses.length; i++) {
            curve.add(new LrFinder.Point(Math.pow(10, i - 12), losses[i], losses[i]));
        }
        LrFinder.Result r = LrFinder.result(curve, true);
        // The longest falling sequence has 7 members and ends at 9: start 2, a third 2, so 2 + 2 + 1.
        assertEquals(curve.get(5).lr(), r.suggestion());
        assertEquals(curve.get(9).lr(), r.lowest());
    }

    @Test
    void ratesWithoutASenseAreRefused() {
        Function<Schedule, Trainer<Batch>> none = s -> {
            throw new AssertionError("not reached");
        };
        assertThrows(IllegalArgumentException.class, () -> LrFinder.find(none, 0, 1, 100));
        assertThrows(IllegalArgumentException.class, () -> LrFinder.find(none, 1, 1, 100));
        assertThrows(IllegalArgumentException.class, () -> LrFinder.find(none, 1e-6, 1, 9));
    }
}
