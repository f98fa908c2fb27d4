package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.Device;
import io.quern.train.EventLog;
import io.quern.train.Progress;
import io.quern.train.TrainResult;
import io.quern.train.TrainState;
import io.quern.train.Trainer;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.vision.ConfusionMatrix;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelConfig;
import io.quern.vision.ImageModelDir;
import io.quern.vision.data.Augmentation;
import io.quern.vision.data.ImageBatch;
import io.quern.vision.data.ImageBatches;
import io.quern.vision.data.ImageSplit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;

/** A run of {@code train vit} or {@code train cnn}: what the two have in common. */
final class ImageTraining {
    /** What a resumed run takes over from the one before it. */
    private static final List<String> LASTING = List.of(
            "image-size",
            "channels",
            "epochs",
            "batch",
            "lr",
            "warmup",
            "weight-decay",
            "clip",
            "smoothing",
            "shift",
            "rotate",
            "zoom",
            "flip",
            "erase",
            "mixup",
            "cutmix",
            "seed",
            "eval-every");

    private static final int EVAL_BATCH = 250;

    private final TrainImageOptions options;
    private final TrainShared shared;
    private final CommonOptions common;
    private final CommandSpec spec;
    private final Output output;
    private final List<String> lasting;

    /** @param own options of the command besides those of all */
    ImageTraining(
            TrainImageOptions options,
            TrainShared shared,
            CommonOptions common,
            CommandSpec spec,
            Output output,
            List<String> own) {
        this.options = options;
        this.shared = shared;
        this.common = common;
        this.spec = spec;
        this.output = output;
        this.lasting = new ArrayList<>(LASTING);
        lasting.addAll(TrainShared.LASTING);
        lasting.addAll(own);
    }

    /** Runs; {@code config} makes a new model's settings from the data. */
    int run(DeviceOptions deviceOptions, Function<ImageSplit, ImageModelConfig> config) throws IOException {
        if (options.config != null) {
            ConfigFile.apply(options.config, spec, spec.commandLine().getParseResult());
        }
        check();
        Path state = options.out.resolve(Trainer.STATE_FILE);
        if (options.resume) {
            JsonNode saved = new ObjectMapper()
                    .valueToTree(TrainState.read(state).config().get("options"));
            ConfigFile.apply(state.toString(), saved, spec, spec.commandLine().getParseResult());
        }
        Device device = deviceOptions.open(output, common.verbose);
        Files.createDirectories(options.out);
        try (RunLock _ = RunLock.take(options.out)) {
            ImageSplit data = ImageSplit.read(options.data, options.imageSize, options.channels);
            try (ImageModel model =
                    options.resume ? ImageModelDir.open(options.out).load() : newModel(config.apply(data))) {
                model.moveTo(device);
                return train(model, data, device);
            }
        }
    }

    private ImageModel newModel(ImageModelConfig config) {
        return config.build(config.init(options.seed));
    }

    private void check() {
        if (options.data == null || options.out == null) {
            throw new Errors.UsageException(
                    spec.qualifiedName() + " needs --data and --out, on the command line or in --config");
        }
        if (options.channels != 1 && options.channels != 3) {
            throw new Errors.UsageException("--channels is 1 or 3, not " + options.channels);
        }
        if (options.epochs < 1 || options.batch < 1) {
            throw new Errors.UsageException("--epochs and --batch must be 1 or more");
        }
        boolean exists = Files.exists(options.out.resolve(Trainer.STATE_FILE));
        if (options.resume && !exists) {
            throw new Errors.UsageException("--resume: there is no run in " + options.out);
        }
        if (!options.resume && exists) {
            throw new Errors.UsageException("there is a run in " + options.out
                    + " already: go on with it by --resume, or choose another --out");
        }
    }

    private int train(ImageModel model, ImageSplit data, Device device) throws IOException {
        Augmentation augmentation = new Augmentation(
                options.shift,
                options.rotate,
                options.zoom,
                options.flip,
                options.erase,
                options.mixup,
                options.cutmix);
        if (augmentation.equals(Augmentation.NONE)) {
            augmentation = Augmentation.NONE;
        }
        ImageBatches batches = ImageBatches.shuffled(
                data.train(), data.preprocessor(), augmentation, options.batch, options.seed, device);
        ImageBatches held = ImageBatches.inOrder(data.test(), data.preprocessor(), EVAL_BATCH, device);
        long steps = batches.perEpoch() * options.epochs;
        int every = options.evalEvery == null
                ? (int) Math.min(Integer.MAX_VALUE, 5 * batches.perEpoch())
                : options.evalEvery;
        note("model: " + model.parameterCount() + " parameters");
        note("data: " + data.train().size() + " pictures for training, "
                + data.test().size() + " for the test, " + data.train().labels().size() + " classes");
        try (AdamW adamW = new AdamW(ParamGroup.decayMatrices(model, options.weightDecay), 0.9, 0.999, 1e-8);
                EventLog log = new EventLog(options.out.resolve("log.jsonl"))) {
            Trainer<ImageBatch> trainer = Trainer.of(
                            model,
                            b -> b.loss(model.forward(b.pixels()), options.smoothing),
                            batches,
                            adamW,
                            shared.schedule(options.lr, options.lr / 100, options.warmup, steps))
                    .steps(steps)
                    .seed(options.seed)
                    .clip(options.clip)
                    .validate(held, (int) held.perEpoch(), every)
                    .checkpoint(options.out, to -> ImageModelDir.save(to, model, data.preprocessor()), every)
                    .config(Map.of("options", ConfigFile.values(spec, lasting)))
                    .listen(log);
            if (!common.quiet) {
                trainer.listen(Progress.onStderr(50));
            }
            if (options.resume) {
                trainer.resume(options.out.resolve(Trainer.STATE_FILE));
            }
            LossChart.prepare();
            try (Interrupt _ = Interrupt.install(trainer::stop)) {
                TrainResult result = trainer.run();
                return report(model, result, ConfusionMatrix.of(model, held), device);
            }
        }
    }

    private int report(ImageModel model, TrainResult result, ConfusionMatrix test, Device device) throws IOException {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("quern", Version.text());
        settings.put("java", Runtime.version().toString());
        settings.put("device", device.toString());
        settings.put("command", spec.qualifiedName());
        settings.put("model", model.config().toJson());
        settings.putAll(ConfigFile.values(spec, lasting));
        settings.put("test_pictures", test.total());
        settings.put("test_accuracy", test.accuracy());
        settings.put("test_macro_f1", test.macroF1());
        settings.put("test_loss", test.loss());
        RunRecord record = new RunRecord(settings);
        record.write(options.out.resolve("run.json"), result);
        LossChart.write(options.out);
        if (common.json) {
            output.json(record.with(result));
        } else {
            output.println("%s: step %d, test accuracy %.2f %%, loss %.4f, %.0f s"
                    .formatted(options.out, result.step(), 100 * test.accuracy(), test.loss(), result.seconds()));
        }
        return result.stopped() ? Main.INTERRUPTED : Main.OK;
    }

    private void note(String text) {
        if (!common.quiet) {
            output.note(text);
        }
    }
}
