package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.spi.MemoryStats;
import io.quern.train.data.Batch;
import io.quern.train.data.Batches;
import io.quern.train.data.TokenDataset;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.GradientClip;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainerTest extends LeakChecked {
    private static final TokenDataset SONG =
            TokenDataset.of(IntStream.range(0, 400).map(i -> i * i % 11).toArray());

    private static AdamW adamW(Module model) {
        return new AdamW(ParamGroup.decayMatrices(model, 0.01), 0.9, 0.95, 1e-8);
    }

    private static List<TrainEvent.Step> steps(List<TrainEvent> events) {
        return events.stream()
                .filter(TrainEvent.Step.class::isInstance)
                .map(TrainEvent.Step.class::cast)
                .toList();
    }

    @Test
    void linearRegressionFindsTheLine() throws IOException {
        Rng rng = new Rng(1);
        float[] x = new float[64];
        float[] y = new float[32];
        for (int i = 0; i < 32; i++) {
            x[2 * i] = (float) rng.nextGaussian();
            x[2 * i + 1] = (float) rng.nextGaussian();
            y[i] = 2 * x[2 * i] - 3 * x[2 * i + 1] + 1;
        }
        try (Models.Line model = new Models.Line(2);
                AdamW optimizer = new AdamW(ParamGroup.all(model, 0), 0.9, 0.999, 1e-8)) {
            Trainer.of(model, model::loss, new Models.Rows(x, 2, y, 1), optimizer, Schedule.linear(0.2, 300))
                    .steps(300)
                    .run();
            Map<String, Param> p = model.parameters();
            assertArrayEquals(new float[] {2, -3}, p.get("layer.weight").value().toFloats(), 1e-3f);
            assertArrayEquals(new float[] {1}, p.get("layer.bias").value().toFloats(), 1e-3f);
        }
    }

    @Test
    void twoLayersLearnXor() throws IOException {
        Batches<Batch> xor = new Models.Rows(new float[] {0, 0, 0, 1, 1, 0, 1, 1}, 2, new float[] {0, 1, 1, 0}, 1);
        try (Models.Mlp model = new Models.Mlp(2, 8, 1, 3);
                AdamW optimizer = adamW(model)) {
            TrainResult r = Trainer.of(model, model::loss, xor, optimizer, Schedule.constant(0.05))
                    .steps(200)
                    .run();
            assertTrue(r.loss() < 0.005, "loss " + r.loss());
            float[] out = Scope.run(() -> model.forward(xor.batch(0).inputs()).toFloats());
            assertArrayEquals(new float[] {0, 1, 1, 0}, out, 0.2f);
        }
    }

    @Test
    void aLanguageModelLearnsWhatFollowsWhat() throws IOException {
        TokenDataset counting =
                TokenDataset.of(IntStream.range(0, 300).map(i -> i % 10).toArray());
        TokenDataset.Split split = counting.split(0.8);
        List<TrainEvent> events = new ArrayList<>();
        try (Models.NextToken model = new Models.NextToken(10, 16, 0, 1);
                AdamW optimizer = adamW(model)) {
            TrainResult r = Trainer.of(
                            model,
                            model::loss,
                            split.train().randomCrops(4, 8, 1),
                            optimizer,
                            Schedule.cosine(0.02, 0, 180).warmup(20))
                    .steps(200)
                    .clip(1)
                    .validate(split.validation().windows(2, 8), 3, 30)
                    .sample(
                            () -> Scope.run(() -> ""
                                    + model.logits(Tensor.of(new int[] {4}, 1, 1))
                                            .argmax()
                                            .toInts()[0]),
                            200)
                    .listen(events::add)
                    .run();
            assertEquals(200, r.step());
            assertFalse(r.stopped());
            assertTrue(r.loss() < 0.05, "loss " + r.loss());
            assertTrue(r.bestLoss() < 0.05, "validation loss " + r.bestLoss());
            assertTrue(events.contains(new TrainEvent.Sampled(200, "5")), "5 follows 4");
        }
        List<TrainEvent.Step> steps = steps(events);
        assertEquals(200, steps.size());
        assertEquals(
                List.of(30L, 60L, 90L, 120L, 150L, 180L, 200L),
                steps.stream()
                        .filter(TrainEvent.Step::isValidated)
                        .map(TrainEvent.Step::step)
                        .toList());
        assertEquals(0, steps.getFirst().lr());
        assertEquals(0.02, steps.get(20).lr());
    }

    @Test
    void validationIsTheMeanOverItsItems() throws IOException {
        TokenDataset data = SONG.slice(0, 3 * 8 + 1);
        List<TrainEvent> events = new ArrayList<>();
        try (Models.NextToken model = new Models.NextToken(11, 4, 0.5, 1);
                AdamW optimizer = adamW(model)) {
            Trainer.of(model, model::loss, data.windows(2, 8), optimizer, Schedule.constant(0))
                    .steps(1)
                    .validate(data.windows(2, 8), 2, 1)
                    .listen(events::add)
                    .run();
            double whole =
                    Scope.run(() -> model.loss(data.windows(3, 8).batch(0)).item());
            assertEquals(whole, steps(events).getFirst().validationLoss(), 1e-6);
        }
    }

    @Test
    void everyMicroBatchDrawsItsOwnRandomNumbersAndValidationDrawsNone() throws IOException {
        List<Long> streams = new ArrayList<>();
        int[] outside = new int[1];
        try (Models.NextToken model = new Models.NextToken(11, 4, 0, 1);
                AdamW optimizer = adamW(model)) {
            Trainer.of(
                            model,
                            b -> {
                                TrainingMode mode = TrainingMode.current();
                                if (mode == null) {
                                    outside[0]++;
                                } else {
                                    assertEquals(9, mode.seed());
                                    streams.add(mode.nextStream());
                                }
                                return model.loss(b);
                            },
                            SONG.randomCrops(2, 4, 1),
                            optimizer,
                            Schedule.constant(0.01))
                    .seed(9)
                    .steps(3)
                    .accumulate(2)
                    .validate(SONG.windows(2, 4), 4, 3)
                    .run();
        }
        assertEquals(6, streams.size());
        assertEquals(6, streams.stream().distinct().count());
        assertEquals(4, outside[0]);
    }

    @Test
    void microBatchesAddUpToOneBigBatch() throws IOException {
        try (Models.NextToken one = new Models.NextToken(11, 8, 0, 1);
                AdamW oneOptimizer = adamW(one);
                Models.NextToken four = new Models.NextToken(11, 8, 0, 1);
                AdamW fourOptimizer = adamW(four)) {
            List<TrainEvent> oneEvents = new ArrayList<>();
            List<TrainEvent> fourEvents = new ArrayList<>();
            Trainer.of(one, one::loss, SONG.windows(8, 6), oneOptimizer, Schedule.constant(0.01))
                    .steps(5)
                    .clip(0.1)
                    .listen(oneEvents::add)
                    .run();
            Trainer.of(four, four::loss, SONG.windows(2, 6), fourOptimizer, Schedule.constant(0.01))
                    .steps(5)
                    .clip(0.1)
                    .accumulate(4)
                    .listen(fourEvents::add)
                    .run();
            for (int i = 0; i < 5; i++) {
                assertEquals(
                        steps(oneEvents).get(i).loss(), steps(fourEvents).get(i).loss(), 1e-5);
                assertEquals(
                        steps(oneEvents).get(i).gradNorm(),
                        steps(fourEvents).get(i).gradNorm(),
                        1e-5);
            }
            one.parameters()
                    .forEach((path, p) -> assertArrayEquals(
                            p.value().toFloats(),
                            four.parameters().get(path).value().toFloats(),
                            1e-4f,
                            path));
        }
    }

    /** Keeps what the trainer hands to an optimizer. */
    private static final class Recorder implements Optimizer {
        private final Module model;
        private final List<Double> scales = new ArrayList<>();
        private final List<Double> norms = new ArrayList<>();

        Recorder(Module model) {
            this.model = model;
        }

        @Override
        public void step(Gradients gradients, double lr, double gradScale) {
            scales.add(gradScale);
            norms.add(GradientClip.norm(gradients, params().values()));
        }

        @Override
        public Map<String, Param> params() {
            return model.parameters();
        }

        @Override
        public Map<String, Tensor> state() {
            return Map.of();
        }

        @Override
        public long steps() {
            return scales.size();
        }

        @Override
        public void resumeAt(long steps) {}

        @Override
        public void close() {}
    }

    @Test
    void clippingReachesTheOptimizerAsAFactor() throws IOException {
        try (Models.NextToken model = new Models.NextToken(11, 8, 0, 1);
                Recorder recorder = new Recorder(model)) {
            Trainer.of(model, model::loss, SONG.windows(2, 6), recorder, Schedule.constant(1))
                    .steps(1)
                    .accumulate(2)
                    .clip(0.01)
                    .run();
            double norm = recorder.norms.getFirst();
            assertTrue(norm > 0.1);
            assertEquals(0.01, norm * recorder.scales.getFirst(), 1e-6);
        }
        assertEquals(1, GradientClip.scale(0.5, 1));
        assertEquals(1 / (4 + 1e-6), GradientClip.scale(4, 1));
    }

    @Test
    void fromTheSecondStepOnNoMemoryIsTakenFromTheSystemAndNoBufferStays() throws IOException {
        try (Models.NextToken model = new Models.NextToken(11, 300, 0.1, 1);
                AdamW optimizer = adamW(model)) {
            long longLived = liveBuffers();
            List<MemoryStats> memory = new ArrayList<>();
            Trainer.of(model, model::loss, SONG.randomCrops(16, 32, 1), optimizer, Schedule.constant(1e-3))
                    .steps(5)
                    .clip(1)
                    .accumulate(2)
                    .listen(e -> memory.add(Device.CPU.backend().memory()))
                    .run();
            // Started, five steps, ended
            assertEquals(7, memory.size());
            MemoryStats afterFirst = memory.get(1);
            for (MemoryStats m : memory.subList(2, memory.size())) {
                assertEquals(afterFirst.systemAllocations(), m.systemAllocations());
                assertEquals(longLived, m.buffers());
                assertEquals(afterFirst.live(), m.live());
            }
        }
    }

    /** Passes batches on, but poisons the inputs of one. */
    private record Poisoned(Batches<Batch> data, long index) implements Batches<Batch> {
        @Override
        public Batch batch(long i) {
            Batch b = data.batch(i);
            return i == index ? new Batch(b.inputs().fill(Double.NaN), b.targets()) : b;
        }

        @Override
        public long perEpoch() {
            return data.perEpoch();
        }

        @Override
        public long items(Batch b) {
            return data.items(b);
        }

        @Override
        public String unit() {
            return data.unit();
        }
    }

    @Test
    void aLossThatIsNotFiniteStopsTheRunAndNamesStepAndParameter() throws IOException {
        Batches<Batch> data = new Poisoned(new Models.Rows(new float[] {1, 2}, 2, new float[] {3}, 1), 2);
        List<TrainEvent> events = new ArrayList<>();
        try (Models.Mlp model = new Models.Mlp(2, 4, 1, 1);
                AdamW optimizer = adamW(model)) {
            Trainer<Batch> trainer = Trainer.of(model, model::loss, data, optimizer, Schedule.constant(0.01))
                    .steps(10)
                    .listen(events::add);
            String message = assertThrows(TrainException.class, trainer::run).getMessage();
            assertTrue(message.contains("step 3:") && message.contains("NaN"), message);
            assertTrue(message.contains("hidden.weight") && message.contains("batch 2"), message);
            assertEquals(2, steps(events).size());
            model.parameters().values().forEach(p -> {
                for (float v : p.value().toFloats()) {
                    assertTrue(Float.isFinite(v), "parameters stay as they were");
                }
            });
            assertEquals(2, optimizer.steps());
        }
    }

    @Test
    void aStopIsHonouredAfterTheStepAndSaves(@TempDir Path dir) throws Exception {
        try (Models.NextToken model = new Models.NextToken(11, 8, 0, 1);
                AdamW optimizer = adamW(model)) {
            Trainer<Batch> trainer =
                    Trainer.of(model, model::loss, SONG.randomCrops(2, 4, 1), optimizer, Schedule.constant(1e-3));
            List<TrainEvent> events = new ArrayList<>();
            TrainResult r = trainer.steps(1_000_000)
                    .checkpoint(dir, to -> Files.writeString(to.resolve("model"), "weights"), 1_000_000)
                    .listen(e -> {
                        events.add(e);
                        if (e instanceof TrainEvent.Step s && s.step() == 3) {
                            CompletableFuture.runAsync(trainer::stop).join();
                        }
                    })
                    .run();
            assertTrue(r.stopped());
            assertEquals(3, r.step());
            assertTrue(trainer.awaitEnd(Duration.ZERO));
            assertTrue(Files.exists(dir.resolve("model")));
            assertTrue(Files.exists(dir.resolve(Trainer.STATE_FILE)));
            assertEquals(List.of(new TrainEvent.Saved(3, dir, false), new TrainEvent.Ended(r)), events.subList(4, 6));
        }
    }

    @Test
    void checkpointsAreWrittenOnTimeAndTheBestOneApart(@TempDir Path dir) throws IOException {
        List<String> written = new ArrayList<>();
        try (Models.NextToken model = new Models.NextToken(11, 8, 0, 1);
                AdamW optimizer = adamW(model)) {
            // A rate that climbs beyond all measure makes the validation loss fall first and rise then.
            TrainResult r = Trainer.of(
                            model, model::loss, SONG.randomCrops(8, 8, 1), optimizer, step -> step < 10 ? 0.01 : 3.0)
                    .steps(20)
                    .validate(SONG.windows(8, 8), 2, 5)
                    .checkpoint(dir, to -> written.add(dir.relativize(to).toString()), 8)
                    .run();
            assertEquals(10, r.bestStep());
            assertEquals(List.of("best", "", "best", "", ""), written, "best at 5 and 10, latest at 8, 16 and 20");
            assertTrue(Files.isDirectory(dir.resolve("best")));
        }
    }

    @Test
    void anEpochIsOnePassOverTheData() throws IOException {
        Batches<Batch> data = SONG.shuffledWindows(4, 8, 1); // 49 windows: 12 batches
        try (Models.NextToken model = new Models.NextToken(11, 8, 0, 1);
                AdamW optimizer = adamW(model)) {
            TrainResult r = Trainer.of(model, model::loss, data, optimizer, Schedule.constant(1e-3))
                    .accumulate(5)
                    .epochs(2)
                    .run();
            assertEquals(5, r.step(), "24 batches by 5 are 5 steps");
        }
    }
}
