package io.quern.train;

import io.quern.nn.TrainingMode;
import io.quern.tensor.Tensor;
import io.quern.train.data.Batch;
import io.quern.train.data.Batches;
import io.quern.train.data.TokenDataset;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

/**
 * A run with everything that has a state: dropout, shuffled data, micro-batches, moments, schedule, best loss. Also a
 * program of its own, which {@link ResumeTest} kills in the middle of a step.
 */
final class ResumeRun implements AutoCloseable {
    static final TokenDataset SONG =
            TokenDataset.of(IntStream.range(0, 400).map(i -> i * i % 11).toArray());

    final Models.NextToken model;
    final AdamW optimizer;
    final Trainer<Batch> trainer;

    private long batches;
    private long lastBatch = Long.MAX_VALUE;

    ResumeRun(Path dir, long seed, int width) {
        this(
                dir,
                seed,
                width,
                SONG.randomCrops(4, 8, 5),
                Schedule.cosine(0.01, 0.001, 1000).warmup(10));
    }

    ResumeRun(Path dir, long seed, int width, Batches<Batch> data, Schedule schedule) {
        model = new Models.NextToken(11, width, 0.2, 1);
        optimizer = new AdamW(ParamGroup.decayMatrices(model, 0.1), 0.9, 0.95, 1e-8);
        trainer = Trainer.of(model, this::loss, data, optimizer, schedule)
                .seed(seed)
                .accumulate(2)
                .clip(0.5)
                .validate(SONG.windows(4, 8), 2, 5)
                .checkpoint(dir, to -> Files.writeString(to.resolve("model"), "weights"), 5)
                .config(Map.of("width", width));
    }

    private Tensor loss(Batch b) {
        if (TrainingMode.current() != null && ++batches == lastBatch) {
            System.out.println("in mid-step");
            while (true) {
                LockSupport.park();
            }
        }
        return model.loss(b);
    }

    ResumeRun(Path dir) {
        this(dir, 7, 8);
    }

    /** The bits of everything that training changes. */
    Map<String, int[]> bits() {
        Map<String, int[]> all = new TreeMap<>();
        model.parameters().forEach((path, p) -> all.put(path, bits(p.value())));
        optimizer.state().forEach((name, t) -> all.put(name, bits(t)));
        return all;
    }

    private static int[] bits(Tensor t) {
        float[] x = t.toFloats();
        return IntStream.range(0, x.length)
                .map(i -> Float.floatToRawIntBits(x[i]))
                .toArray();
    }

    @Override
    public void close() {
        optimizer.close();
        model.close();
    }

    /**
     * Trains, but stays for ever in a step, between the backward passes of its two micro-batches.
     *
     * @param args folder of the run, and number of the step
     */
    public static void main(String[] args) throws IOException {
        try (ResumeRun run = new ResumeRun(Path.of(args[0]))) {
            run.lastBatch = 2 * Long.parseLong(args[1]);
            run.trainer.steps(200).run();
        }
    }
}
