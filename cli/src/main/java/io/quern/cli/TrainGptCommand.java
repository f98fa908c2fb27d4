package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.nn.TrainingMode;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.train.EventLog;
import io.quern.train.LrFinder;
import io.quern.train.Progress;
import io.quern.train.TrainResult;
import io.quern.train.TrainState;
import io.quern.train.Trainer;
import io.quern.train.data.Batch;
import io.quern.train.data.Batches;
import io.quern.train.data.Prefetch;
import io.quern.train.data.TokenDataset;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.Schedule;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.LoraConfig;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.Generator;
import io.quern.transformer.hub.AdapterDir;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.Gpt2Config;
import io.quern.transformer.text.BpeTrainer;
import io.quern.transformer.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Trains a GPT-2 on text. */
@Command(
        name = "gpt",
        description = "Train a GPT-2 on text files. Ctrl-C saves and ends; --resume goes on.",
        sortOptions = false)
final class TrainGptCommand implements Callable<Integer> {
    /** What a resumed run takes over from the one before it. */
    private static final List<String> LASTING = List.of(
            "data",
            "model",
            "tokenizer",
            "vocab-size",
            "layers",
            "heads",
            "hidden",
            "context",
            "dropout",
            "steps",
            "epochs",
            "batch",
            "accumulate",
            "optimizer",
            "momentum",
            "lr",
            "min-lr",
            "warmup",
            "weight-decay",
            "beta2",
            "clip",
            "smoothing",
            "recompute",
            "seed",
            "validation",
            "eval-every",
            "eval-batches",
            "sample-every",
            "weights",
            "dtype");

    /** Layers of a GPT-2 that get an adapter where none are named, as in PEFT. */
    private static final List<String> TARGETS = List.of("c_attn");

    /** What is said to the model for samples. */
    private static final String SAMPLE_PROMPT = "\n";

    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private TrainGptOptions options;

    @Mixin
    private TrainShared shared;

    @Mixin
    private LoraOptions lora;

    @Spec
    private CommandSpec spec;

    private final Output output;

    TrainGptCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        if (shared.config != null) {
            ConfigFile.apply(shared.config, spec, spec.commandLine().getParseResult());
        }
        if (shared.resume && shared.out != null) {
            takeOver();
        }
        check();
        Device device = deviceOptions.open(output, common.verbose || !common.quiet, common.verbose);
        Files.createDirectories(shared.out);
        try (RunLock _ = RunLock.take(shared.out)) {
            return train(device);
        }
    }

    private static List<String> lasting() {
        return Stream.of(LASTING, TrainShared.LASTING, LoraOptions.LASTING)
                .flatMap(List::stream)
                .toList();
    }

    /** Makes the options those of the run in the folder, where the command line says nothing. */
    private void takeOver() {
        Path file = shared.out.resolve(Trainer.STATE_FILE);
        if (Files.exists(file)) {
            JsonNode saved = new ObjectMapper()
                    .valueToTree(TrainState.read(file).config().get("options"));
            if (options.steps != null || options.epochs != null) {
                ((ObjectNode) saved).remove(List.of("steps", "epochs"));
            }
            ConfigFile.apply(file.toString(), saved, spec, spec.commandLine().getParseResult());
        }
    }

    private void check() throws IOException {
        if (computeType(options.dtype) != DType.F32 && options.recompute) {
            throw new Errors.UsageException("--dtype bf16 and --recompute exclude each other");
        }
        if (options.data == null || shared.out == null) {
            throw new Errors.UsageException("train gpt needs --data and --out, on the command line or in --config"
                    + (shared.resume ? "; --resume knows the data only where --out holds a run" : ""));
        }
        if (options.steps != null && options.epochs != null) {
            throw new Errors.UsageException("--steps and --epochs exclude each other");
        }
        lora.check(options.model);
        if (options.hidden % options.heads != 0) {
            throw new Errors.UsageException(
                    "--hidden " + options.hidden + " is not a multiple of --heads " + options.heads);
        }
        for (Path file : options.data) {
            if (!Files.exists(file)) {
                throw new java.nio.file.NoSuchFileException(file.toString());
            }
        }
        if (options.findLr) {
            if (shared.resume) {
                throw new Errors.UsageException("--find-lr and --resume exclude each other: the test is for a new run");
            }
            return;
        }
        Path state = shared.out.resolve(Trainer.STATE_FILE);
        if (shared.resume && !Files.exists(state)) {
            throw new Errors.UsageException("--resume: there is no run in " + shared.out);
        }
        if (!shared.resume && Files.exists(state)) {
            throw new Errors.UsageException(
                    "there is a run in " + shared.out + " already: go on with it by --resume, or choose another --out");
        }
    }

    private int train(Device device) throws IOException {
        String base = lora.on() ? base() : null;
        String text = text();
        if (text.isBlank()) {
            throw new TensorException("there is no text in " + options.data);
        }
        int cut = (int) (text.length() * (1 - options.validation));
        Tokenizer tokenizer = tokenizer(text.substring(0, cut));
        if (!options.findLr) {
            tokenizer.save(shared.out);
        }
        int[] train = tokenizer.encode(text.substring(0, cut));
        int[] validation = tokenizer.encode(text.substring(cut));
        double tokensPerCharacter = validation.length / Math.max(1.0, text.codePointCount(cut, text.length()));
        try (CausalLanguageModel model = model(tokenizer)) {
            LoraConfig adapters = lora.on() ? lora.attach(model, TARGETS, List.of(), options.seed) : null;
            model.moveTo(device);
            model.setRecompute(options.recompute);
            model.computeLossIn(computeType(options.dtype));
            int context = model.contextLength();
            note("model: " + model.parameterCount() + " parameters, context " + context + ", vocabulary "
                    + model.vocabSize());
            note("data: " + train.length + " tokens for training, " + validation.length
                    + " for validation (%.2f characters a token)".formatted(1 / tokensPerCharacter));
            var batches = TokenDataset.of(train).on(device).randomCrops(options.batch, context, options.seed);
            var held = TokenDataset.of(validation).on(device).windows(options.batch, context);
            long steps = options.epochs != null
                    ? (batches.perEpoch() * options.epochs + options.accumulate - 1) / options.accumulate
                    : options.steps == null ? 1000 : options.steps;
            int evalBatches =
                    (int) Math.min(held.perEpoch(), options.evalBatches == null ? Long.MAX_VALUE : options.evalBatches);
            if (options.findLr) {
                return findLr(model, batches);
            }
            RunRecord record = record(device, train.length, validation.length, steps)
                    .put("validation_tokens_per_character", tokensPerCharacter);
            try (Optimizer optimizer =
                            options.optimizer.create(model, options.weightDecay, options.momentum, options.beta2);
                    Prefetch<Batch> ahead = new Prefetch<>(batches, TrainShared.PREFETCH);
                    EventLog log = new EventLog(shared.out.resolve("log.jsonl"))) {
                Trainer<Batch> trainer = Trainer.of(model, b -> loss(model, b), ahead, optimizer, schedule(steps))
                        .steps(steps)
                        .accumulate(options.accumulate)
                        .seed(options.seed)
                        .clip(options.clip)
                        .validate(held, evalBatches, options.evalEvery)
                        .checkpoint(shared.out, folder -> save(folder, model, adapters, tokenizer), options.evalEvery)
                        .config(config(base))
                        .listen(log)
                        .listen(record);
                shared.follow(trainer, shared.out);
                if (!common.quiet) {
                    trainer.listen(Progress.onStderr(10));
                    if (options.sampleEvery > 0) {
                        trainer.sample(() -> sample(model, tokenizer), options.sampleEvery);
                    }
                }
                try (TrainShared.Copies _ = shared.configure(trainer, optimizer.params())) {
                    if (shared.resume) {
                        trainer.resume(shared.out.resolve(Trainer.STATE_FILE));
                    }
                    return run(trainer, record, tokensPerCharacter);
                }
            }
        }
    }

    /** What a resumed run needs. */
    private Map<String, Object> config(String base) {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("options", ConfigFile.values(spec, lasting()));
        if (base != null) {
            config.put("base", base);
        }
        return config;
    }

    /** What identifies the model under the adapters; a resumed run refuses another. */
    private String base() throws IOException {
        Path model = modelFiles();
        String base = LoraOptions.base(model);
        if (shared.resume) {
            LoraOptions.checkBase(shared.out.resolve(Trainer.STATE_FILE), model, base);
        }
        return base;
    }

    private Path modelFiles() {
        return Models.open(options.model).folder().orElse(Path.of(options.model));
    }

    private int findLr(CausalLanguageModel model, Batches<Batch> batches) throws IOException {
        try (Optimizer optimizer =
                options.optimizer.create(model, options.weightDecay, options.momentum, options.beta2)) {
            LrFinder.Result found = LrFinder.find(
                    schedule -> {
                        Trainer<Batch> trainer = Trainer.of(model, b -> loss(model, b), batches, optimizer, schedule)
                                .accumulate(options.accumulate)
                                .seed(options.seed)
                                .clip(options.clip);
                        return common.quiet ? trainer : trainer.listen(Progress.onStderr(10));
                    },
                    LrCurve.FROM,
                    LrCurve.TO,
                    options.steps == null ? LrCurve.STEPS : Math.toIntExact(options.steps));
            LrCurve.write(shared.out, found);
            LrCurve.report(output, common.json, shared.out, found);
            return Main.OK;
        }
    }

    private int run(Trainer<Batch> trainer, RunRecord record, double tokensPerCharacter) throws IOException {
        LossChart.prepare();
        TrainResult result;
        try (Interrupt _ = Interrupt.install(trainer::stop)) {
            result = trainer.run();
            record.write(shared.out, result);
            LossChart.write(shared.out);
            RunReport.write(shared.out);
        }
        if (common.json) {
            output.json(record.with(result));
        } else {
            String loss = Double.isFinite(result.bestLoss())
                    ? "validation loss %.4f (%.4f a character) at step %d"
                            .formatted(result.bestLoss(), result.bestLoss() * tokensPerCharacter, result.bestStep())
                    : "no validation yet";
            output.println(shared.out + ": step " + result.step() + ", " + loss);
        }
        return shared.exitCode(result);
    }

    private RunRecord record(Device device, int train, int validation, long steps) throws IOException {
        Map<String, Path> inputs = new LinkedHashMap<>();
        options.data.forEach(file -> inputs.put(file.toString(), file));
        if (options.tokenizer != null) {
            inputs.put(options.tokenizer.toString(), options.tokenizer);
        }
        if (options.model != null) {
            Path model = modelFiles();
            inputs.put(model.toString(), model);
        }
        return new RunRecord("train gpt", spec, device, deviceOptions.threads(), inputs)
                .put("train_tokens", train)
                .put("validation_tokens", validation)
                .put(LossChart.UNIT, "cross-entropy (nats per token)")
                .put("steps", steps)
                .put("batch", options.batch)
                .put("optimizer", options.optimizer.name())
                .put("schedule", shared.schedule.name())
                .put("lr", options.lr)
                .put("min_lr", options.minLr())
                .put("seed", options.seed);
    }

    private String text() throws IOException {
        StringBuilder all = new StringBuilder();
        for (Path file : options.data) {
            all.append(TextInput.file(file));
        }
        return all.toString();
    }

    private Tokenizer tokenizer(String trainText) {
        if (shared.resume) {
            return Tokenizer.load(shared.out);
        }
        if (options.tokenizer != null) {
            return Tokenizer.load(options.tokenizer);
        }
        if (options.model != null) {
            return Models.tokenizer(options.model);
        }
        note("training a tokenizer of " + options.vocabSize + " tokens");
        BpeTrainer trainer = BpeTrainer.builder().vocabSize(options.vocabSize).build();
        trainer.add(trainText);
        return trainer.train();
    }

    private CausalLanguageModel model(Tokenizer tokenizer) {
        if (options.model != null || shared.resume) {
            String from = shared.resume && !lora.on() ? shared.out.toString() : options.model;
            return Models.open(from).load(Purpose.TRAINING);
        }
        Gpt2Config config = Gpt2Config.of(
                        tokenizer.vocabSize(), options.context, options.hidden, options.layers, options.heads)
                .withDropout(options.dropout);
        return tokenizer.specialTokens().eos().isPresent()
                ? config.withEndOfText(tokenizer.specialTokens().eos().getAsInt())
                        .build(Init.gpt2(options.seed, options.layers))
                : config.build(Init.gpt2(options.seed, options.layers));
    }

    private void save(Path folder, CausalLanguageModel model, LoraConfig adapters, Tokenizer tokenizer) {
        tokenizer.save(folder);
        if (adapters != null) {
            AdapterDir.save(folder, model, adapters, options.model, "CAUSAL_LM");
            return;
        }
        ModelDir.save(folder, model, generation(model), storedType(options.weights));
    }

    /** What a small model says best. */
    private static GenerationConfig generation(CausalLanguageModel model) {
        return GenerationConfig.of(model.config()).toBuilder()
                .doSample(true)
                .temperature(0.8)
                .topK(50)
                .maxNewTokens(Math.min(200, model.contextLength()))
                .build();
    }

    private String sample(CausalLanguageModel model, Tokenizer tokenizer) {
        GenerationConfig config = generation(model).toBuilder()
                .maxNewTokens(80)
                .seed(options.seed)
                .build();
        int[] prompt = tokenizer.encode(SAMPLE_PROMPT);
        return new Generator(model, tokenizer)
                .generate(GenerationRequest.of(prompt, config))
                .first()
                .text();
    }

    /** Smoothed in training only, so that validation losses can be compared. */
    private Tensor loss(CausalLanguageModel model, Batch b) {
        double smoothing = TrainingMode.current() == null ? 0 : options.smoothing;
        return model.loss(b.inputs(), b.targets(), smoothing);
    }

    private Schedule schedule(long steps) {
        return shared.schedule(options.lr, options.minLr(), options.warmup, steps);
    }

    /** The type named by {@code --dtype}. */
    static DType computeType(String name) {
        return switch (name) {
            case "f32" -> DType.F32;
            case "bf16" -> DType.BF16;
            default -> throw new Errors.UsageException("--dtype is f32 or bf16, not '" + name + "'");
        };
    }

    /** The type named by {@code --weights}. */
    static DType storedType(String name) {
        return switch (name) {
            case "f32" -> DType.F32;
            case "bf16" -> DType.BF16;
            case "f16" -> DType.F16;
            default -> throw new Errors.UsageException("--weights is f32, bf16 or f16, not '" + name + "'");
        };
    }

    private void note(String text) {
        if (!common.quiet) {
            output.note(text);
        }
    }
}
