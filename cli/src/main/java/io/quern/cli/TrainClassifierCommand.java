package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.train.EventLog;
import io.quern.train.Progress;
import io.quern.train.TrainResult;
import io.quern.train.TrainState;
import io.quern.train.Trainer;
import io.quern.train.data.PaddedBatch;
import io.quern.train.data.PaddedBatches;
import io.quern.train.data.Prefetch;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.transformer.LoraConfig;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.Bert;
import io.quern.transformer.model.BertConfig;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.transformer.text.Tokenizer;
import io.quern.transformer.text.WordVocabulary;
import io.quern.vision.ConfusionMatrix;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Trains a BERT to tell the classes of texts. */
@Command(
        name = "classifier",
        aliases = "classify",
        description =
                "Train a BERT to classify texts, a new one or that of -m. Ctrl-C saves and ends; --resume goes on.",
        sortOptions = false)
final class TrainClassifierCommand implements Callable<Integer> {
    /** What a resumed run takes over from the one before it. */
    private static final List<String> LASTING = List.of(
            "data",
            "test",
            "text-column",
            "label-column",
            "split",
            "test-part",
            "model",
            "vocab-size",
            "layers",
            "heads",
            "hidden",
            "context",
            "dropout",
            "steps",
            "epochs",
            "batch",
            "lr",
            "warmup",
            "weight-decay",
            "clip",
            "seed",
            "eval-every");

    /** Layers of a BERT that get an adapter where none are named, as in PEFT. */
    private static final List<String> TARGETS = List.of("query", "value");

    private static final int NEW_CONTEXT = 128;
    private static final double NEW_DROPOUT = 0.1;

    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private TrainTextOptions options;

    @Mixin
    private TrainShared shared;

    @Mixin
    private LoraOptions lora;

    @Spec
    private CommandSpec spec;

    private final Output output;

    TrainClassifierCommand(Output output) {
        this.output = output;
    }

    private static List<String> lasting() {
        return Stream.of(LASTING, TrainShared.LASTING, LoraOptions.LASTING)
                .flatMap(List::stream)
                .toList();
    }

    @Override
    public Integer call() throws IOException {
        if (shared.config != null) {
            ConfigFile.apply(shared.config, spec, spec.commandLine().getParseResult());
        }
        Path state = shared.out == null ? null : shared.out.resolve(Trainer.STATE_FILE);
        if (shared.resume && state != null) {
            takeOver(state);
        }
        if (options.data == null || shared.out == null) {
            throw new Errors.UsageException(
                    "train classifier needs --data and --out, on the command line or in --config");
        }
        check(state);
        Device device = deviceOptions.open(output, common.verbose);
        Files.createDirectories(shared.out);
        try (RunLock _ = RunLock.take(shared.out)) {
            return train(device);
        }
    }

    /** Makes the options those of the run in the folder, where the command line says nothing. */
    private void takeOver(Path state) {
        if (!Files.exists(state)) {
            throw new Errors.UsageException("--resume: there is no run in " + shared.out);
        }
        JsonNode saved =
                new ObjectMapper().valueToTree(TrainState.read(state).config().get("options"));
        boolean longer = spec.commandLine().getParseResult().hasMatchedOption("--epochs");
        if (longer) {
            ((ObjectNode) saved).remove("steps");
        }
        ConfigFile.apply(state.toString(), saved, spec, spec.commandLine().getParseResult());
    }

    private void check(Path state) throws IOException {
        lora.check(options.model);
        if (options.epochs < 1 || options.batch < 1 || options.steps != null && options.steps < 0) {
            throw new Errors.UsageException("--epochs and --batch must be 1 or more, --steps 0 or more");
        }
        if (!(options.testPart > 0 && options.testPart < 1)) {
            throw new Errors.UsageException("--test-part must be between 0 and 1, not " + options.testPart);
        }
        if (options.test != null && options.split != null) {
            throw new Errors.UsageException("--test and --split exclude each other");
        }
        if (options.model == null && options.hidden % options.heads != 0) {
            throw new Errors.UsageException(
                    "--hidden " + options.hidden + " is not a multiple of --heads " + options.heads);
        }
        if (!shared.resume && Files.exists(state)) {
            throw new Errors.UsageException(
                    "there is a run in " + shared.out + " already: go on with it by --resume, or choose another --out");
        }
        for (Path file : inputs().values()) {
            if (!Files.exists(file)) {
                throw new NoSuchFileException(file.toString());
            }
        }
    }

    private Map<String, Path> inputs() {
        Map<String, Path> inputs = new LinkedHashMap<>();
        inputs.put(options.data.toString(), options.data);
        if (options.test != null) {
            inputs.put(options.test.toString(), options.test);
        }
        if (options.model != null) {
            Path model = EncoderDir.folder(options.model);
            inputs.put(model.toString(), model);
        }
        return inputs;
    }

    private int train(Device device) throws IOException {
        TextSplit data = TextSplit.read(options);
        Tokenizer tokenizer = tokenizer(data);
        tokenizer.save(shared.out);
        List<String> labels = data.train().labels();
        try (BertForSequenceClassification model = model(tokenizer, labels)) {
            LoraConfig adapters = lora.on() ? lora.attach(model, TARGETS, whole(), options.seed) : null;
            model.moveTo(device);
            int pad = model.config().padTokenId();
            int most = model.config().maxPositions();
            int tokens = options.context == null ? most : Math.min(options.context, most);
            PaddedBatches batches = TextBatches.of(data.train(), tokenizer, tokens, pad, options.batch, device)
                    .shuffled(options.seed);
            PaddedBatches held = TextBatches.measured(data.test(), tokenizer, tokens, pad, device);
            long steps = options.steps != null ? options.steps : batches.perEpoch() * options.epochs;
            int every =
                    options.evalEvery == null ? Math.toIntExact(Math.max(1, batches.perEpoch())) : options.evalEvery;
            try (AdamW adamW = new AdamW(ParamGroup.decayMatrices(model, options.weightDecay), 0.9, 0.999, 1e-8);
                    Prefetch<PaddedBatch> ahead = new Prefetch<>(batches, TrainShared.PREFETCH);
                    EventLog log = new EventLog(shared.out.resolve("log.jsonl"))) {
                long trained = adamW.params().values().stream()
                        .mapToLong(p -> p.shape().size())
                        .sum();
                note("model: " + model.parameterCount() + " parameters, " + trained + " of them trained; " + tokens
                        + " tokens of a text");
                note("data: " + data.train().size() + " texts for training, "
                        + data.test().size() + " for the test, classes " + labels);
                RunRecord record = new RunRecord("train classifier", spec, device, deviceOptions.threads(), inputs())
                        .put("train_texts", data.train().size())
                        .put("labels", labels)
                        .put("parameters", model.parameterCount())
                        .put("trained_parameters", trained)
                        .put(LossChart.UNIT, "cross-entropy (nats per text)")
                        .put("steps", steps)
                        .put("lr", options.lr())
                        .put("seed", options.seed);
                long warmup = options.warmup == null ? steps / 10 : options.warmup;
                Trainer<PaddedBatch> trainer = Trainer.of(
                                model,
                                b -> model.loss(TextBatches.encoder(b), b.targets()),
                                ahead,
                                adamW,
                                shared.schedule(options.lr(), options.lr() / 100, warmup, steps))
                        .steps(steps)
                        .seed(options.seed)
                        .clip(options.clip)
                        .validate(held, Math.toIntExact(held.perEpoch()), every)
                        .checkpoint(shared.out, to -> save(to, model, adapters, tokenizer), every)
                        .config(config())
                        .listen(log)
                        .listen(record);
                shared.follow(trainer, shared.out);
                if (!common.quiet) {
                    trainer.listen(Progress.onStderr(50));
                }
                try (TrainShared.Copies _ = shared.configure(trainer, adamW.params());
                        Interrupt _ = Interrupt.install(trainer::stop)) {
                    if (shared.resume) {
                        trainer.resume(shared.out.resolve(Trainer.STATE_FILE));
                    }
                    LossChart.prepare();
                    TrainResult result = trainer.run();
                    return report(result, TextBatches.measure(model, held), record);
                }
            }
        }
    }

    private Tokenizer tokenizer(TextSplit data) {
        if (shared.resume) {
            return Tokenizer.load(shared.out);
        }
        return options.model != null
                ? EncoderDir.find(options.model).tokenizer()
                : WordVocabulary.of(data.train().texts(), options.vocabSize);
    }

    private BertForSequenceClassification model(Tokenizer tokenizer, List<String> labels) {
        if (shared.resume && !lora.on()) {
            return EncoderDir.open(shared.out).loadClassifier(Purpose.TRAINING, null);
        }
        if (options.model != null) {
            EncoderDir dir = EncoderDir.find(options.model);
            BertConfig config = dir.config().withLabels(labels);
            return dir.newClassifier(
                    options.dropout == null ? config : config.withDropout(options.dropout), options.seed);
        }
        int context = options.context == null ? NEW_CONTEXT : options.context;
        BertConfig config = BertConfig.of(tokenizer.vocabSize(), context, options.hidden, options.layers, options.heads)
                .withLabels(labels)
                .withDropout(options.dropout == null ? NEW_DROPOUT : options.dropout);
        return new BertForSequenceClassification(config, Bert.init(options.seed));
    }

    /** What is new in the model, and so trained whole beside adapters. */
    private List<String> whole() {
        List<String> whole = new ArrayList<>(List.of("classifier"));
        if (!EncoderDir.find(options.model).hasPooler()) {
            whole.add("pooler");
        }
        return whole;
    }

    private void save(Path folder, BertForSequenceClassification model, LoraConfig adapters, Tokenizer tokenizer) {
        tokenizer.save(folder);
        if (adapters != null) {
            EncoderDir.saveAdapter(folder, model, adapters, options.model);
        } else {
            EncoderDir.save(folder, model, DType.F32);
        }
    }

    /** What a resumed run needs. */
    private Map<String, Object> config() throws IOException {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("options", ConfigFile.values(spec, lasting()));
        if (lora.on()) {
            Path model = EncoderDir.folder(options.model);
            String base = LoraOptions.base(model);
            if (shared.resume) {
                LoraOptions.checkBase(shared.out.resolve(Trainer.STATE_FILE), model, base);
            }
            config.put("base", base);
        }
        return config;
    }

    private int report(TrainResult result, ConfusionMatrix test, RunRecord record) throws IOException {
        record.put("test_texts", test.total());
        record.put("test_accuracy", test.accuracy());
        record.put("test_macro_f1", test.macroF1());
        record.put("test_loss", test.loss());
        record.put("confusion", test.counts());
        record.write(shared.out, result);
        LossChart.write(shared.out);
        RunReport.write(shared.out);
        if (common.json) {
            output.json(record.with(result));
        } else {
            output.println("%s: step %d, test accuracy %.2f %%, macro F1 %.4f, loss %.4f, %.0f s"
                    .formatted(
                            shared.out,
                            result.step(),
                            100 * test.accuracy(),
                            test.macroF1(),
                            test.loss(),
                            result.seconds()));
        }
        return shared.exitCode(result);
    }

    private void note(String text) {
        if (!common.quiet) {
            output.note(text);
        }
    }
}
