package io.quern.transformer.hub;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.FileErrors;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.file.WeightSource;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.LoraConfig;
import io.quern.transformer.LoraLayers;
import io.quern.transformer.model.Bert;
import io.quern.transformer.model.BertConfig;
import io.quern.transformer.model.BertForMaskedLM;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.transformer.model.BertModel;
import io.quern.transformer.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An encoder in Hugging Face layout: a folder with {@code config.json}, {@code model.safetensors} (or several with an
 * index) and the files of the tokenizer. Opening it reads the configuration; the rest is read when asked for.
 */
public final class EncoderDir {
    private static final String CONFIG = "config.json";
    private static final String WEIGHTS = "model.safetensors";

    private final Path folder;
    private final ConfigJson json;
    private final BertConfig config;

    private EncoderDir(Path folder, ConfigJson json) {
        this.folder = folder;
        this.json = json;
        this.config = BertConfig.read(json);
    }

    /**
     * Opens a folder.
     *
     * @throws ModelNotFoundException if it is missing or is no model folder
     * @throws TensorException if it holds an architecture that is not supported
     */
    public static EncoderDir open(Path folder) {
        ModelNotFoundException.check(folder, "an encoder");
        return new EncoderDir(folder, ConfigJson.read(folder.resolve(CONFIG)));
    }

    /** Whether a folder holds an encoder. */
    public static boolean isOne(Path folder) {
        Path file = folder.resolve(CONFIG);
        return Files.exists(file) && BertConfig.describes(ConfigJson.read(file));
    }

    /**
     * Opens what a user names: a folder, or {@code org/name} in Hugging Face's cache.
     *
     * @throws TensorException as {@link #open} and {@link HfCache#model}
     */
    public static EncoderDir find(String model) {
        return open(folder(model));
    }

    /** The folder that a user names by its path or as {@code org/name}. */
    public static Path folder(String model) {
        boolean cached = !Files.exists(Path.of(model)) && HfCache.isRepository(model);
        return cached ? HfCache.ofUser().model(model) : Path.of(model);
    }

    public Path folder() {
        return folder;
    }

    public BertConfig config() {
        return config;
    }

    /** Whether {@code config.json} says that this is a sequence classifier. */
    public boolean isClassifier() {
        return json.strings("architectures").contains("BertForSequenceClassification");
    }

    /** The model's tokenizer. */
    public Tokenizer tokenizer() {
        return Tokenizer.load(folder);
    }

    /**
     * Loads the encoder, whatever head the folder has beside it, with its matrices in the type of the file. It has a
     * pooler if the folder does. The caller closes it.
     *
     * @throws TensorException if the weights are missing, broken, or do not fit the configuration
     */
    public Bert load(Purpose purpose) {
        return load(purpose, null);
    }

    /**
     * Loads the encoder with the weights of linear layers and token embeddings in a dtype.
     *
     * @param matrices as in {@link ModelDir#load(Purpose, DType)}
     * @throws TensorException as {@link #load(Purpose)}
     */
    public Bert load(Purpose purpose, DType matrices) {
        WeightSource source = WeightSource.open(folder);
        boolean pooler = hasPooler(source);
        return WeightLoader.load(
                what(), BertConfig.encoderNames(), init -> new Bert(config, pooler, init), source, purpose, matrices);
    }

    /**
     * Loads the model with its classifier. The caller closes it.
     *
     * @throws TensorException as {@link #load(Purpose)}; also if the folder has no classifier
     */
    public BertForSequenceClassification loadClassifier(Purpose purpose, DType matrices) {
        if (AdapterDir.isOne(folder) && !hasWeights()) {
            String base = AdapterDir.open(folder)
                    .base()
                    .orElseThrow(() ->
                            new TensorException(folder + " has an adapter that does not say which model it is for"));
            return loadAdapted(base, purpose);
        }
        return WeightLoader.load(
                what(),
                BertConfig.classifierNames(),
                init -> new BertForSequenceClassification(config, init),
                WeightSource.open(folder),
                purpose,
                matrices);
    }

    private boolean hasWeights() {
        return Files.exists(folder.resolve(WEIGHTS)) || Files.exists(folder.resolve(WEIGHTS + ".index.json"));
    }

    /**
     * The classifier of the adapter in this folder, which also has a {@code config.json} with its classes; in F32. {@link
     * #loadClassifier} takes the model that the adapter names.
     *
     * @param base folder or name of the model that the adapter is for
     * @throws TensorException if the adapter does not fit it
     */
    public BertForSequenceClassification loadAdapted(String base, Purpose purpose) {
        AdapterDir adapter = AdapterDir.open(folder);
        EncoderDir dir = find(base);
        if (!adapter.config().saves("classifier")
                || !dir.hasPooler() && !adapter.config().saves("pooler")) {
            throw new TensorException(folder + ": the adapter has no classifier of its own, or no pooler, and " + base
                    + " has none for it");
        }
        BertForSequenceClassification model = dir.newClassifier(config.labels(), 0);
        try {
            adapter.attach(model);
            model.parameters().values().forEach(p -> p.setTrainable(purpose == Purpose.TRAINING));
            return model;
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    /** Whether this folder's encoder has a pooler; what {@link #newClassifier} puts on one without is new. */
    public boolean hasPooler() {
        try (WeightSource source = WeightSource.open(folder)) {
            return hasPooler(source);
        }
    }

    private static boolean hasPooler(WeightSource source) {
        return source.contains("pooler.dense.weight") || source.contains("bert.pooler.dense.weight");
    }

    /**
     * A classifier to fine-tune: this folder's encoder under a new head, whose first values are random. If the folder has no
     * pooler, that is new too. All parameters are trainable; the caller closes it.
     *
     * @param labels names of the classes
     * @param seed of the random values
     * @throws TensorException as {@link #load(Purpose)}
     */
    public BertForSequenceClassification newClassifier(List<String> labels, long seed) {
        return newClassifier(config.withLabels(labels), seed);
    }

    /**
     * The same with other dropout.
     *
     * @param settings this folder's, with other labels and dropout
     */
    public BertForSequenceClassification newClassifier(BertConfig settings, long seed) {
        try (Bert encoder = load(Purpose.TRAINING)) {
            Map<String, Param> known = encoder.parameters();
            Init fresh = Bert.init(seed);
            return new BertForSequenceClassification(settings, (path, shape) -> {
                Param p = path.startsWith("bert.") ? known.get(path.substring("bert.".length())) : null;
                return p == null
                        ? fresh.make(path, shape)
                        : Tape.noGrad(() -> p.value().copy());
            });
        }
    }

    /**
     * Loads the model with its masked language model's head. The caller closes it.
     *
     * @throws TensorException as {@link #load(Purpose)}; also if the folder has no such head
     */
    public BertForMaskedLM loadMaskedLM(Purpose purpose, DType matrices) {
        return WeightLoader.load(
                what(),
                BertConfig.maskedNames(),
                init -> new BertForMaskedLM(config, init),
                WeightSource.open(folder),
                purpose,
                matrices);
    }

    /**
     * Writes the adapter of a classifier as PEFT reads it, and {@code config.json} with its classes, by which this class reads it
     * as a model.
     *
     * @param base name or folder of the model that the adapter is for
     * @throws TensorException as {@link AdapterDir#save}
     */
    public static void saveAdapter(Path folder, BertModel model, LoraConfig adapter, String base) {
        AdapterDir.save(folder, model, adapter, base, "SEQ_CLS");
        try {
            AtomicFile.write(
                    folder.resolve(CONFIG), ConfigJson.bytes(model.config().toJson(model.architecture())));
        } catch (IOException e) {
            throw new TensorException(folder + ": the adapter cannot be saved: " + FileErrors.reason(e), e);
        }
    }

    private String what() {
        return "the weights of " + folder;
    }

    /**
     * Writes a model as transformers reads it, {@code config.json} and {@code model.safetensors}; the tokenizer writes its
     * own files. Each file appears once it is whole, over an earlier one; {@code config.json} comes last.
     *
     * @param stored dtype of the weights in the file: F32, BF16 or F16
     * @throws TensorException if a file cannot be written
     */
    public static void save(Path folder, BertModel model, DType stored) {
        LoraLayers.refuse(model);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, Param> p : model.parameters().entrySet()) {
            tensors.put(p.getKey(), p.getValue().value());
        }
        ObjectNode json = model.config().toJson(model.architecture());
        json.put("dtype", WeightTypes.name(stored));
        try {
            Files.createDirectories(folder);
            SafetensorsWriter.write(folder.resolve(WEIGHTS), tensors, Map.of("format", "pt"), stored);
            AtomicFile.write(folder.resolve(CONFIG), ConfigJson.bytes(json));
        } catch (IOException e) {
            throw new TensorException(folder + ": the model cannot be saved: " + FileErrors.reason(e), e);
        }
    }
}
