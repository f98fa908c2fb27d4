package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.nn.Module;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.train.EventLog;
import io.quern.train.Progress;
import io.quern.train.TrainResult;
import io.quern.train.TrainState;
import io.quern.train.Trainer;
import io.quern.train.data.Batches;
import io.quern.train.data.Prefetch;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.vision.NetworkConfig;
import io.quern.vision.data.Augmentation;
import io.quern.vision.data.ImageSplit;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;

/**
 * A run that trains a network on pictures: what all of them have in common.
 *
 * @param <M> the network
 * @param <B> a batch
 */
abstract class ImageTraining<M extends Module, B> {
    /** Pictures of a batch when the network is measured. */
    static final int EVAL_BATCH = 250;

    /** What a resumed run takes over from the one before it. */
    private static final List<String> LASTING = List.of(
            "data",
            "image-size",
            "channels",
            "epochs",
            "steps",
            "batch",
            "lr",
            "warmup",
            "weight-decay",
            "clip",
            "shift",
            "rotate",
            "zoom",
            "flip",
            "seed",
            "eval-every");

    final TrainImageOptions options;
    private final CommonOptions common;
    private final CommandSpec spec;
    private final Output output;
    private final List<String> lasting;

    /** @param own options of the command besides those of all, which a resumed run takes over too */
    ImageTraining(TrainImageOptions options, CommonOptions common, CommandSpec spec, Output output, List<String> own) {
        this.options = options;
        this.common = common;
        this.spec = spec;
        this.output = output;
        this.lasting = new ArrayList<>(LASTING);
        lasting.addAll(TrainShared.LASTING);
        lasting.addAll(own);
    }

    /** How the network did on the test pictures. */
    interface Measured {
        /** For {@code run.json}. */
        Map<String, Object> facts();

        /** For people. */
        String summary();
    }

    /** What else can be wrong with the options. */
    void checkOwn() {}

    /** A new network's settings. */
    abstract NetworkConfig<M> config(ImageSplit data);

    abstract M load(Path folder);

    abstract void save(Path folder, M model, ImageSplit data);

    abstract Augmentation augmentation();

    abstract Batches<B> training(M model, ImageSplit data, Device device);

    abstract Batches<B> test(M model, ImageSplit data, Device device);

    abstract Tensor loss(M model, B batch);

    /** What the loss is, with its unit. */
    abstract String lossUnit(M model);

    abstract Map<String, Object> settings(M model);

    abstract Measured measure(M model, ImageSplit data, Batches<B> test);

    /** Runs from options to {@code run.json}. */
    final int run(DeviceOptions deviceOptions) throws IOException {
        if (options.shared.config != null) {
            ConfigFile.apply(options.shared.config, spec, spec.commandLine().getParseResult());
        }
        Path state = options.shared.out == null ? null : options.shared.out.resolve(Trainer.STATE_FILE);
        if (options.shared.resume && state != null && Files.exists(state)) {
            JsonNode saved = new ObjectMapper()
                    .valueToTree(TrainState.read(state).config().get("options"));
            ConfigFile.apply(state.toString(), saved, spec, spec.commandLine().getParseResult());
        }
        check();
        if (isGiven("--epochs")) {
            options.steps = null; // those of a file or of the run before
        }
        Device device = deviceOptions.open(output, common.verbose);
        Files.createDirectories(options.shared.out);
        try (RunLock _ = RunLock.take(options.shared.out)) {
            ImageSplit data = ImageSplit.read(options.data, options.imageSize, options.channels);
            try (M model = options.shared.resume ? load(options.shared.out) : newModel(config(data))) {
                model.moveTo(device);
                return train(model, data, device, deviceOptions.threads());
            }
        }
    }

    private M newModel(NetworkConfig<M> config) {
        return config.build(config.init(options.seed));
    }

    private void check() {
        if (options.data == null || options.shared.out == null) {
            throw new Errors.UsageException(
                    spec.qualifiedName() + " needs --data and --out, on the command line or in --config");
        }
        if (options.channels != 1 && options.channels != 3) {
            throw new Errors.UsageException("--channels is 1 or 3, not " + options.channels);
        }
        if (options.epochs < 1 || options.batch < 1 || options.steps != null && options.steps < 1) {
            throw new Errors.UsageException("--epochs, --steps and --batch must be 1 or more");
        }
        if (isGiven("--steps") && isGiven("--epochs")) {
            throw new Errors.UsageException("--steps and --epochs exclude each other");
        }
        checkOwn();
        boolean exists = Files.exists(options.shared.out.resolve(Trainer.STATE_FILE));
        if (options.shared.resume && !exists) {
            throw new Errors.UsageException("--resume: there is no run in " + options.shared.out);
        }
        if (!options.shared.resume && exists) {
            throw new Errors.UsageException("there is a run in " + options.shared.out
                    + " already: go on with it by --resume, or choose another --out");
        }
    }

    private boolean isGiven(String option) {
        return spec.commandLine().getParseResult().hasMatchedOption(option);
    }

    private int train(M model, ImageSplit data, Device device, int threads) throws IOException {
        Batches<B> batches = training(model, data, device);
        Batches<B> held = test(model, data, device);
        long steps = options.steps == null ? batches.perEpoch() * options.epochs : options.steps;
        int every = options.evalEvery == null
                ? (int) Math.min(Integer.MAX_VALUE, 5 * batches.perEpoch())
                : options.evalEvery;
        note("model: " + model.parameterCount() + " parameters");
        note("data: " + data.train().size() + " pictures for training, "
                + data.test().size() + " for the test, " + data.train().labels().size() + " classes");
        RunRecord record =
                new RunRecord(command(), spec, device, threads, Map.of(options.data.toString(), options.data));
        try (AdamW adamW = new AdamW(ParamGroup.decayMatrices(model, options.weightDecay), 0.9, 0.999, 1e-8);
                Prefetch<B> ahead = new Prefetch<>(batches, TrainShared.PREFETCH);
                EventLog log = new EventLog(options.shared.out.resolve("log.jsonl"))) {
            Trainer<B> trainer = Trainer.of(
                            model,
                            b -> loss(model, b),
                            ahead,
                            adamW,
                            options.shared.schedule(options.lr, options.lr / 100, options.warmup, steps))
                    .steps(steps)
                    .seed(options.seed)
                    .clip(options.clip)
                    .validate(held, (int) held.perEpoch(), every)
                    .checkpoint(options.shared.out, to -> save(to, model, data), every)
                    .config(Map.of("options", ConfigFile.values(spec, lasting)))
                    .listen(log)
                    .listen(record);
            options.shared.follow(trainer, options.shared.out);
            if (!common.quiet) {
                trainer.listen(Progress.onStderr(50));
            }
            try (TrainShared.Copies _ = options.shared.configure(trainer, adamW.params());
                    Interrupt _ = Interrupt.install(trainer::stop)) {
                if (options.shared.resume) {
                    trainer.resume(options.shared.out.resolve(Trainer.STATE_FILE));
                }
                LossChart.prepare();
                TrainResult result = trainer.run();
                return report(model, result, measure(model, data, held), record);
            }
        }
    }

    private int report(M model, TrainResult result, Measured test, RunRecord record) throws IOException {
        record.put(LossChart.UNIT, lossUnit(model));
        settings(model).forEach(record::put);
        ConfigFile.values(spec, lasting).forEach(record::put);
        test.facts().forEach(record::put);
        record.put("cpu_seconds", cpuSeconds());
        record.write(options.shared.out, result);
        LossChart.write(options.shared.out);
        RunReport.write(options.shared.out);
        if (common.json) {
            output.json(record.with(result));
        } else {
            output.println("%s: step %d, %s, %.0f s"
                    .formatted(options.shared.out, result.step(), test.summary(), result.seconds()));
        }
        return options.shared.exitCode(result);
    }

    /** The name of the command without that of the program, such as {@code train vit}. */
    private String command() {
        return spec.qualifiedName().substring(spec.root().name().length() + 1);
    }

    /** Of all threads of this process: what a run costs on a machine that does other work too. */
    private static Long cpuSeconds() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean os
                ? os.getProcessCpuTime() / 1_000_000_000L
                : null;
    }

    private void note(String text) {
        if (!common.quiet) {
            output.note(text);
        }
    }
}
