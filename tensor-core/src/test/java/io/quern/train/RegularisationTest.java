package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Param;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.train.data.Batch;
import io.quern.train.data.Batches;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import io.quern.train.optim.Sgd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clipping by value, L1, averaged weights, early stopping: on a line whose gradients are known. */
class RegularisationTest extends LeakChecked {
    /** For y = w x + b at w = b = 0, the mean of (w x + b - y)^2 over (1, 3) and (2, 5): dw = -13, db = -8. */
    private static final Batches<Batch> TWO = new Models.Rows(new float[] {1, 2}, 1, new float[] {3, 5}, 1);

    @TempDir
    private Path dir;

    private static Optimizer sgd(Models.Line model) {
        return new Sgd(ParamGroup.all(model, 0));
    }

    private static float[] values(Models.Line model) {
        Map<String, Param> p = model.parameters();
        return new float[] {
            p.get("layer.weight").value().toFloats()[0],
            p.get("layer.bias").value().toFloats()[0]
        };
    }

    private static Trainer<Batch> trainer(Models.Line model, Optimizer optimizer, double lr) {
        return Trainer.of(model, model::loss, TWO, optimizer, Schedule.constant(lr));
    }

    @Test
    void valuesAreClippedBeforeTheNorm() throws IOException {
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model)) {
            List<TrainEvent> events = new ArrayList<>();
            trainer(model, sgd, 1).clipValues(10).steps(1).listen(events::add).run();
            assertArrayEquals(new float[] {10, 8}, values(model), 1e-5f);
            TrainEvent.Step step = (TrainEvent.Step) events.get(1);
            assertEquals(Math.hypot(13, 8), step.gradNorm(), 1e-4, "the norm before clipping");
        }
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model)) {
            trainer(model, sgd, 1).clipValues(6).clip(Math.sqrt(2)).steps(1).run();
            assertArrayEquals(new float[] {1, 1}, values(model), 1e-5f);
        }
    }

    @Test
    void valuesAreThoseOfTheMeanOverMicroBatches() throws IOException {
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model)) {
            trainer(model, sgd, 1).accumulate(4).clipValues(10).steps(1).run();
            assertArrayEquals(new float[] {10, 8}, values(model), 1e-5f);
        }
    }

    @Test
    void l1PullsMatricesTowardsZero() throws IOException {
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model)) {
            Tensor weight = model.parameters().get("layer.weight").value();
            weight.fill(-1);
            model.parameters().get("layer.bias").value().fill(4);
            // w x + b - y is 0 at both points but for 4 - 1 - 3 = 0 and 4 - 2 - 5 = -3: dw = -6, db = -3.
            trainer(model, sgd, 1).accumulate(2).l1(0.5).steps(1).run();
            assertArrayEquals(new float[] {-1 + 6 + 0.5f, 4 + 3}, values(model), 1e-5f);
        }
    }

    @Test
    void theAverageFollowsItsFormula() throws IOException {
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model);
                WeightAverage average = new WeightAverage(model.parameters(), 0.2)) {
            double expected = 0;
            List<Float> weights = new ArrayList<>();
            trainer(model, sgd, 0.05)
                    .average(average, false)
                    .listen(e -> {
                        if (e instanceof TrainEvent.Step) {
                            weights.add(values(model)[0]);
                        }
                    })
                    .steps(5)
                    .run();
            for (int i = 1; i <= 5; i++) {
                double d = Math.min(0.2, (1.0 + i) / (10.0 + i));
                expected = d * expected + (1 - d) * weights.get(i - 1);
            }
            float now = values(model)[0];
            float averaged = average.with(() -> values(model)[0]);
            assertEquals(expected, averaged, 1e-5);
            assertEquals(now, values(model)[0], "set back to the same bits");
            assertTrue(Math.abs(averaged - now) > 1e-3);
            assertThrows(
                    IllegalStateException.class,
                    () -> average.with(() -> {
                        throw new IllegalStateException("inside");
                    }));
            assertEquals(now, values(model)[0], "also after an exception");
        }
    }

    /** What a checkpoint writer would write: the weight. */
    private static CheckpointWriter writer(Models.Line model) {
        return to -> Files.writeString(to.resolve("model"), "" + values(model)[0]);
    }

    @Test
    void theAverageIsValidatedAndSavedWhenAskedFor() throws IOException {
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model);
                WeightAverage average = new WeightAverage(model.parameters(), 0.9)) {
            TrainResult r = trainer(model, sgd, 0.05)
                    .average(average, true)
                    .validate(TWO, 1, 3)
                    .checkpoint(dir, writer(model), 3)
                    .steps(3)
                    .run();
            double averaged = average.with(() -> values(model)[0]);
            double loss =
                    average.with(() -> Scope.run(() -> model.loss(TWO.batch(0)).item()));
            assertEquals(loss, r.bestLoss());
            assertEquals("" + values(model)[0], Files.readString(dir.resolve("model")));
            assertEquals("" + (float) averaged, Files.readString(dir.resolve(Trainer.AVERAGE_FOLDER + "/model")));
            assertEquals("" + (float) averaged, Files.readString(dir.resolve(Trainer.BEST_FOLDER + "/model")));
        }
    }

    /** At a rate of 0.35 the line diverges: the loss of the first validation is the best. */
    private static Trainer<Batch> diverging(Path dir, Models.Line model, Optimizer sgd, Snapshot best) {
        return trainer(model, sgd, 0.35)
                .validate(TWO, 1, 2)
                .stopEarly(3)
                .restoreBest(best)
                .checkpoint(dir, writer(model), 2);
    }

    @Test
    void aRunThatGetsNoBetterEndsEarlyWithTheBestWeights(@TempDir Path other) throws IOException {
        float[] best;
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model);
                Snapshot copy = new Snapshot(model.parameters())) {
            List<TrainEvent> events = new ArrayList<>();
            TrainResult r = diverging(dir, model, sgd, copy)
                    .listen(events::add)
                    .steps(100)
                    .run();
            assertEquals(8, r.step(), "validated at 2, 4, 6, 8");
            assertEquals(2, r.bestStep());
            assertFalse(r.stopped(), "nobody stopped it");
            best = values(model);
            assertEquals("" + best[0], Files.readString(dir.resolve("model")));
            double loss = Scope.run(() -> model.loss(TWO.batch(0)).item());
            assertEquals(r.bestLoss(), loss);
        }
        // The same with an interruption after the best step: the copy is in the state.
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model);
                Snapshot copy = new Snapshot(model.parameters())) {
            diverging(other, model, sgd, copy).steps(4).run();
        }
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model);
                Snapshot copy = new Snapshot(model.parameters())) {
            TrainResult r = diverging(other, model, sgd, copy)
                    .resume(other.resolve(Trainer.STATE_FILE))
                    .steps(100)
                    .run();
            assertEquals(8, r.step());
            assertArrayEquals(best, values(model), 0);
            // and once more: it is over
            assertEquals(
                    8,
                    diverging(other, model, sgd, copy)
                            .resume(other.resolve(Trainer.STATE_FILE))
                            .steps(100)
                            .run()
                            .step());
        }
    }

    @Test
    void settingsWithoutASenseAreRefused() {
        try (Models.Line model = new Models.Line(1);
                Optimizer sgd = sgd(model)) {
            Trainer<Batch> t = trainer(model, sgd, 1);
            assertThrows(IllegalArgumentException.class, () -> t.clipValues(0));
            assertThrows(IllegalArgumentException.class, () -> t.l1(-1));
            assertThrows(IllegalArgumentException.class, () -> t.stopEarly(0));
            assertThrows(IllegalArgumentException.class, () -> new WeightAverage(model.parameters(), 1));
        }
    }
}
