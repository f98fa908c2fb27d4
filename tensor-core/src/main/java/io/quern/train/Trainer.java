package io.quern.train;

import io.quern.nn.Module;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Jfr;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.spi.Backend;
import io.quern.train.data.Batches;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.Schedule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Trains a model: takes batches, computes gradients, clips, updates; validates, samples, saves and reports now and
 * then. Settings are made before {@link #run()}. Model and optimizer stay their makers', who close them.
 *
 * <p>A step runs in a {@link Scope}, so that nothing but parameters and moments lives on after it, and every random
 * number (data, dropout) is a function of the seed and the number of batches taken. So a run that is stopped, saved and
 * resumed ends with the same bits as one that is not.
 *
 * @param <B> a batch, as the loss takes it
 */
public final class Trainer<B> {
    /** Where a run is kept for resuming, beside the model. */
    public static final String STATE_FILE = "train_state.safetensors";

    /** Folder, beside the latest model, of the one with the smallest validation loss. */
    public static final String BEST_FOLDER = "best";

    /** Folder, beside the latest model, of the one with averaged weights. */
    public static final String AVERAGE_FOLDER = "average";

    /** Folder, beside the latest model, of the last checkpoints, if they are kept. */
    public static final String HISTORY_FOLDER = "checkpoints";

    private final Module model;
    private final Function<? super B, Tensor> loss;
    private final Batches<B> data;
    private final Optimizer optimizer;
    private final Schedule schedule;
    private final List<TrainListener> listeners = new ArrayList<>();

    private long steps;
    private final Updater<B> updater;
    private Map<String, Object> config = Map.of();
    private WeightAverage average;
    private boolean evaluateAverage;
    private int patience;
    private Snapshot best;
    private int kept;
    private CheckpointHistory history;

    private Batches<B> validation;
    private int validationBatches;
    private Every validate = Every.NEVER;
    private Supplier<String> sampler;
    private Every sample = Every.NEVER;
    private Path folder;
    private CheckpointWriter writer;
    private Every save = Every.NEVER;

    private long step;
    private long batchesTaken;
    private double bestLoss = Double.POSITIVE_INFINITY;
    private long bestStep;
    private double lastLoss = Double.NaN;
    private double secondsBefore;
    private long savedStep = -1;
    private long started;

    private volatile boolean stopRequested;
    private volatile CountDownLatch running = new CountDownLatch(0);

    /** How often something is done, in steps. */
    private record Every(int steps) {
        static final Every NEVER = new Every(0);

        boolean isDue(long step) {
            return steps > 0 && step % steps == 0;
        }
    }

    private static int positive(String what, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(what + " must be 1 or more, not " + value);
        }
        return value;
    }

    private static double above0(String what, double value) {
        if (!(value > 0)) {
            throw new IllegalArgumentException(what + " must be positive, not " + value);
        }
        return value;
    }

    private record Measured(double loss, long items) {}

    private Trainer(
            Module model, Function<? super B, Tensor> loss, Batches<B> data, Optimizer optimizer, Schedule schedule) {
        this.model = model;
        this.loss = loss;
        this.data = data;
        this.optimizer = optimizer;
        this.schedule = schedule;
        this.updater = new Updater<>(loss, data, optimizer);
    }

    /**
     * @param loss from a batch to a loss of one element, a mean over the items of the batch; run in
     *     {@link TrainingMode} for training and outside it for validation
     */
    public static <B> Trainer<B> of(
            Module model, Function<? super B, Tensor> loss, Batches<B> data, Optimizer optimizer, Schedule schedule) {
        return new Trainer<>(model, loss, data, optimizer, schedule);
    }

    // ---- settings

    /** Ends after so many updates, those before a resume included. */
    public Trainer<B> steps(long count) {
        if (count < 0) {
            throw new IllegalArgumentException("a run has 0 steps or more, not " + count);
        }
        this.steps = count;
        return this;
    }

    /** Ends after so many passes over the data; set {@link #accumulate} first. */
    public Trainer<B> epochs(int count) {
        return steps(
                (Math.multiplyExact(data.perEpoch(), (long) count) + updater.accumulation - 1) / updater.accumulation);
    }

    /** Makes each update from the mean gradient of so many batches, which must have equally many items. */
    public Trainer<B> accumulate(int batches) {
        updater.accumulation = positive("the number of batches of an update", batches);
        return this;
    }

    /** Scales gradients down to this global norm. */
    public Trainer<B> clip(double maxNorm) {
        updater.clipNorm = above0("the largest norm", maxNorm);
        return this;
    }

    /** Brings every element of an update's mean gradient into [-limit, limit], before {@link #clip} takes the norm. */
    public Trainer<B> clipValues(double limit) {
        updater.clipValue = above0("the largest element of a gradient", limit);
        return this;
    }

    /**
     * Adds {@code factor} times the sum of absolute weights to what is minimised; not of parameters of rank 0 or 1, nor to
     * the loss that is reported.
     */
    public Trainer<B> l1(double factor) {
        if (!(factor >= 0)) {
            throw new IllegalArgumentException("the factor of the L1 penalty must be 0 or more, not " + factor);
        }
        updater.l1 = factor;
        return this;
    }

    /**
     * Keeps a moving average of the parameters up to date. It is part of the state, and each checkpoint has the model with the
     * averages in {@link #AVERAGE_FOLDER}. The caller closes it.
     *
     * @param evaluate whether validation and the best model are those of the averages
     */
    public Trainer<B> average(WeightAverage of, boolean evaluate) {
        this.average = of;
        this.evaluateAverage = evaluate;
        return this;
    }

    /** Ends after so many validations in a row without a smaller loss. */
    public Trainer<B> stopEarly(int validations) {
        this.patience = positive("the number of validations without a smaller loss", validations);
        return this;
    }

    /**
     * Keeps the parameters with the smallest validation loss in {@code copy}, and ends the run with them, unless it is stopped
     * from outside. The copy is part of the state. The caller closes it.
     */
    public Trainer<B> restoreBest(Snapshot copy) {
        this.best = copy;
        return this;
    }

    /** Of the random numbers in the model, such as dropout's; the data has its own. */
    public Trainer<B> seed(long value) {
        updater.seed = value;
        return this;
    }

    /** Measures the mean loss over the first {@code batches} of the data every so many steps, and after the last. */
    public Trainer<B> validate(Batches<B> on, int batches, int everySteps) {
        this.validation = on;
        this.validationBatches = positive("the number of batches to validate on", batches);
        this.validate = new Every(positive("the interval between validations", everySteps));
        return this;
    }

    /** Lets the model speak every so many steps, outside training mode, without gradients. */
    public Trainer<B> sample(Supplier<String> speaker, int everySteps) {
        this.sampler = speaker;
        this.sample = new Every(positive("the interval between samples", everySteps));
        return this;
    }

    /**
     * Saves into {@code to} every so many steps and at the end: the latest model, {@link #STATE_FILE}, and in
     * {@link #BEST_FOLDER} the best one.
     */
    public Trainer<B> checkpoint(Path to, CheckpointWriter with, int everySteps) {
        this.folder = to;
        this.writer = with;
        this.save = new Every(positive("the interval between checkpoints", everySteps));
        return this;
    }

    /**
     * Also keeps the last {@code count} checkpoints, each with model and {@link #STATE_FILE} in a folder of its own in
     * {@link #HISTORY_FOLDER}.
     */
    public Trainer<B> keepLast(int count) {
        this.kept = positive("the number of checkpoints to keep", count);
        return this;
    }

    /** What a later program needs to build model, data and trainer again; plain values for JSON, kept in the state. */
    public Trainer<B> config(Map<String, ?> values) {
        this.config = new LinkedHashMap<>(values);
        return this;
    }

    /** Follows the run. */
    public Trainer<B> listen(TrainListener listener) {
        listeners.add(listener);
        return this;
    }

    // ---- the run

    /**
     * Trains up to the last step, or until {@link #stop()}.
     *
     * @throws NotFiniteException if the loss or a gradient is not finite; the parameters are as before that step
     */
    public TrainResult run() throws IOException {
        Backend backend = device();
        backend.resetPeak();
        secondsBefore = seconds();
        started = System.nanoTime();
        running = new CountDownLatch(1);
        try {
            prepareFolder();
            emit(new TrainEvent.Started(step, steps, trainedNumbers(), data.unit()));
            while (step < steps && !stopRequested && !isStale()) {
                advance(backend);
            }
            if (folder != null && savedStep != step) {
                saveLatest();
            }
            boolean stopped = step < steps && !isStale();
            if (best != null && bestStep > 0 && !stopped) {
                best.restore();
                if (folder != null) {
                    writer.write(folder);
                }
            }
            TrainResult result = new TrainResult(step, lastLoss, bestLoss, bestStep, stopped, seconds());
            emit(new TrainEvent.Ended(result));
            return result;
        } finally {
            running.countDown();
        }
    }

    /** Whether so many validations have brought nothing that the run ends. Validations are counted by their steps. */
    private boolean isStale() {
        return patience > 0 && bestStep > 0 && step / validate.steps - bestStep / validate.steps >= patience;
    }

    /**
     * Asks the run to end after the step it is in, with a checkpoint; from any thread. A program that wants Ctrl-C to
     * save calls this and {@link #awaitEnd} in a shutdown hook.
     */
    public void stop() {
        stopRequested = true;
    }

    /** Waits until no run is going on; for a shutdown hook, after {@link #stop()}. False if the time is over first. */
    public boolean awaitEnd(Duration limit) throws InterruptedException {
        return running.await(limit.toMillis(), TimeUnit.MILLISECONDS);
    }

    private void advance(Backend backend) throws IOException {
        double lr = schedule.at(step);
        StepEvent event = Jfr.isOn() ? StepEvent.start() : null;
        long before = System.nanoTime();
        Updater.Update update = Scope.run(() -> updater.update(step, batchesTaken, lr));
        double stepSeconds = (System.nanoTime() - before) / 1e9;
        step++;
        if (event != null) {
            event.finish(
                    step, new RecordedStep.Update(update.loss(), lr, update.gradNorm(), update.items(), data.unit()));
        }
        batchesTaken += updater.accumulation;
        lastLoss = update.loss();
        if (average != null) {
            average.update(step);
        }
        boolean measure = validation != null && (validate.isDue(step) || step == steps);
        double validationLoss = measure ? evaluating(this::validationLoss) : Double.NaN;
        if (measure) {
            schedule.observe(validationLoss);
        }
        emit(new TrainEvent.Step(
                step,
                update.loss(),
                lr,
                update.gradNorm(),
                update.items() / stepSeconds,
                validationLoss,
                seconds(),
                backend.memory().peak()));
        if (sample.isDue(step)) {
            emit(new TrainEvent.Sampled(step, Scope.run(() -> Tape.noGrad(sampler::get))));
        }
        if (validationLoss < bestLoss) {
            bestLoss = validationLoss;
            bestStep = step;
            evaluating(() -> {
                keepBest();
                return null;
            });
        }
        if (save.isDue(step)) {
            saveLatest();
        }
    }

    /** Runs {@code body} with the weights that are validated. */
    private <R, X extends Throwable> R evaluating(ScopedValue.CallableOp<? extends R, X> body) throws X {
        return average != null && evaluateAverage ? average.with(body) : body.call();
    }

    private double validationLoss() {
        double sum = 0;
        long items = 0;
        for (int i = 0; i < validationBatches; i++) {
            long index = i;
            Measured m = Scope.run(() -> Tape.noGrad(() -> {
                B batch = validation.batch(index);
                return new Measured(loss.apply(batch).item(), validation.items(batch));
            }));
            sum += m.loss * m.items;
            items += m.items;
        }
        return sum / items;
    }

    // ---- state

    private void prepareFolder() throws IOException {
        if (folder != null) {
            prepare(folder);
            if (validation != null) {
                prepare(folder.resolve(BEST_FOLDER));
            }
            if (average != null) {
                prepare(folder.resolve(AVERAGE_FOLDER));
            }
            if (kept > 0) {
                history = new CheckpointHistory(folder, kept);
                history.prepare();
            }
        }
    }

    private static void prepare(Path to) throws IOException {
        Files.createDirectories(to);
        AtomicFile.removeLeftovers(to);
    }

    private void saveLatest() throws IOException {
        writer.write(folder);
        if (average != null) {
            average.with(() -> {
                writer.write(folder.resolve(AVERAGE_FOLDER));
                return null;
            });
        }
        state().save(folder.resolve(STATE_FILE), optimizer, copies());
        if (history != null) {
            history.add(step, writer, folder.resolve(STATE_FILE));
        }
        savedStep = step;
        emit(new TrainEvent.Saved(step, folder, false));
    }

    private void keepBest() throws IOException {
        if (best != null) {
            best.take();
        }
        if (folder != null) {
            Path to = folder.resolve(BEST_FOLDER);
            writer.write(to);
            emit(new TrainEvent.Saved(step, to, true));
        }
    }

    /** The copies of parameters that are part of the state. */
    private Map<String, Tensor> copies() {
        Map<String, Tensor> all = new LinkedHashMap<>();
        if (average != null) {
            average.state().forEach((path, t) -> all.put("average." + path, t));
        }
        if (best != null) {
            best.values().forEach((path, t) -> all.put("best." + path, t));
        }
        return all;
    }

    /** Where the run is. */
    public TrainState state() {
        return new TrainState(
                step,
                batchesTaken,
                optimizer.steps(),
                updater.seed,
                bestLoss,
                bestStep,
                seconds(),
                schedule.state(),
                data.fingerprint(),
                config);
    }

    /**
     * Goes on from a state saved by {@link #checkpoint} or {@link TrainState#save}: fills parameters and moments.
     * Model, optimizer, schedule, data and seed must be made as before.
     *
     * @throws TrainException if the state is not of this model, optimizer, data or seed; then nothing is changed
     */
    public Trainer<B> resume(Path stateFile) {
        TrainState s = TrainState.read(stateFile);
        if (s.seed() != updater.seed) {
            throw new TrainException("cannot resume from " + stateFile + ": it was trained with seed " + s.seed()
                    + ", not " + updater.seed + "; take that seed");
        }
        refuseOtherData(stateFile, s);
        Map<String, Double> before = schedule.state();
        try {
            schedule.restore(s.schedule());
            TrainState.restore(stateFile, optimizer, copies());
        } catch (IllegalArgumentException e) {
            throw new TrainException("cannot resume from " + stateFile + ": " + e.getMessage(), e);
        } catch (TensorException e) {
            schedule.restore(before);
            throw e;
        }
        step = s.step();
        batchesTaken = s.batchesTaken();
        bestLoss = s.bestLoss();
        bestStep = s.bestStep();
        secondsBefore = s.seconds();
        savedStep = step;
        return this;
    }

    private void refuseOtherData(Path stateFile, TrainState s) {
        String here = data.fingerprint();
        if (!here.isEmpty() && !s.data().isEmpty() && !here.equals(s.data())) {
            throw new TrainException("cannot resume from " + stateFile + ": it was trained on " + s.data()
                    + ", but the data here is " + here + "; take the data of that run");
        }
    }

    private double seconds() {
        return started == 0 ? secondsBefore : secondsBefore + (System.nanoTime() - started) / 1e9;
    }

    private long trainedNumbers() {
        return optimizer.params().values().stream()
                .mapToLong(p -> p.shape().size())
                .sum();
    }

    private Backend device() {
        return model.parameters().values().iterator().next().value().device().backend();
    }

    private void emit(TrainEvent event) throws IOException {
        for (TrainListener l : listeners) {
            l.on(event);
        }
    }
}
