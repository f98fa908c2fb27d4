package io.quern.transformer.hub;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.FileErrors;
import io.quern.tensor.file.Gguf;
import io.quern.tensor.file.Safetensors;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.file.WeightSource;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.LoraLayers;
import io.quern.transformer.ModelConfig;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.model.Gpt2Config;
import io.quern.transformer.model.ModelFamily;
import io.quern.transformer.text.FileSource;
import io.quern.transformer.text.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A model in Hugging Face layout: {@code config.json}, {@code generation_config.json}, {@code model.safetensors} (or
 * several with an index) and the files of the tokenizer; in a folder, or among the resources of a program. Or a
 * {@code .gguf} file, which is all of that in one. Opening it reads the configuration; the rest is read when asked for.
 */
public final class ModelDir {
    private static final String CONFIG = "config.json";
    private static final String GENERATION_CONFIG = "generation_config.json";
    private static final String WEIGHTS = "model.safetensors";

    private final String name;
    private final Path folder;
    private final Path gguf;
    private final FileSource files;
    private final ModelConfig config;

    private ModelDir(String name, Path folder, Path gguf, FileSource files, ModelConfig config) {
        this.name = name;
        this.folder = folder;
        this.gguf = gguf;
        this.files = files;
        this.config = config;
    }

    /**
     * Opens a folder or a {@code .gguf} file.
     *
     * @throws ModelNotFoundException if it is missing or is no model folder
     * @throws TensorException if it holds an architecture that is not supported
     */
    public static ModelDir open(Path folder) {
        if (isGguf(folder.toString()) && !Files.isDirectory(folder)) {
            try (Gguf file = Gguf.open(folder)) {
                return new ModelDir(folder.toString(), null, folder, null, Gpt2Gguf.config(folder.toString(), file));
            }
        }
        Path json = folder.resolve(CONFIG);
        if (!Files.exists(json) && AdapterDir.isOne(folder)) {
            throw new TensorException(folder + " holds an adapter, not a model; name its model by -m and this folder by"
                    + " --adapter, or merge the two by quern merge");
        }
        ModelNotFoundException.check(folder, "a model");
        return new ModelDir(folder.toString(), folder, null, null, ModelFamily.read(ConfigJson.read(json)));
    }

    private static boolean isGguf(String path) {
        return path.endsWith(".gguf");
    }

    /**
     * Opens what a user names: a folder, a {@code .gguf} file, or {@code org/name} in Hugging Face's cache.
     *
     * @throws TensorException as {@link #open(Path)} and {@link HfCache#model}
     */
    public static ModelDir find(String model) {
        return find(model, HfCache.ofUser());
    }

    static ModelDir find(String model, HfCache cache) {
        boolean cached = !Files.exists(Path.of(model)) && !isGguf(model) && HfCache.isRepository(model);
        return open(cached ? cache.model(model) : Path.of(model));
    }

    /**
     * Opens a model among resources, such as those of a jar; its weights are one file and are read into memory.
     *
     * @param name for messages
     * @throws TensorException as {@link #open(Path)}
     */
    public static ModelDir open(String name, FileSource files) {
        byte[] json = bytes(name, files, CONFIG)
                .orElseThrow(() -> new TensorException(name + " has no " + CONFIG + ": it is not a model"));
        return new ModelDir(name, null, null, files, ModelFamily.read(ConfigJson.parse(name + "/" + CONFIG, json)));
    }

    /** Folder, file or resource, for people. */
    public String name() {
        return name;
    }

    /** The folder; empty for resources and {@code .gguf} files. */
    public Optional<Path> folder() {
        return Optional.ofNullable(folder);
    }

    public ModelConfig config() {
        return config;
    }

    /** The decoding defaults that the model comes with; derived from its configuration where it has none. */
    public GenerationConfig generationConfig() {
        return generationJson().map(GenerationConfig::read).orElseGet(() -> GenerationConfig.of(config));
    }

    /** {@code generation_config.json} as it stands. */
    public Optional<ConfigJson> generationJson() {
        if (gguf != null) {
            return Optional.empty();
        }
        String file = name + "/" + GENERATION_CONFIG;
        if (folder == null) {
            return bytes(name, files, GENERATION_CONFIG).map(b -> ConfigJson.parse(file, b));
        }
        Path path = folder.resolve(GENERATION_CONFIG);
        return Files.exists(path) ? Optional.of(ConfigJson.read(path)) : Optional.empty();
    }

    /** The model's tokenizer. */
    public Tokenizer tokenizer() {
        if (gguf != null) {
            try (Gguf file = Gguf.open(gguf)) {
                return GgufTokenizer.read(name, file.values());
            }
        }
        return folder == null ? Tokenizer.load(name, files) : Tokenizer.load(folder);
    }

    /** The weights as they are stored, under the names of Hugging Face checkpoints; the caller closes them. */
    public WeightSource weights() {
        if (gguf != null) {
            Gguf file = Gguf.open(gguf);
            try {
                return Gpt2Gguf.weights(file, (Gpt2Config) config);
            } catch (RuntimeException e) {
                file.close();
                throw e;
            }
        }
        if (folder != null) {
            return WeightSource.open(folder);
        }
        byte[] all = bytes(name, files, WEIGHTS).orElseThrow(() -> new TensorException(name + " has no " + WEIGHTS));
        return Safetensors.of(name + "/" + WEIGHTS, all);
    }

    /**
     * Loads the model with its matrices in the type of the file: BF16, F16 and quantised ones stay as they are. The
     * caller closes it.
     *
     * @throws TensorException if the weights are missing, broken, or do not fit the configuration
     */
    public CausalLanguageModel load(Purpose purpose) {
        return load(purpose, null);
    }

    /**
     * Loads the model with the weights of linear layers and token embeddings in a dtype; norms, biases, positions and
     * activations are F32. The caller closes it.
     *
     * @param matrices F32, BF16, F16, Q8_0 or Q4_0 (with the embedding and the output layer in Q6_K); a matrix whose
     *     input dimension is not whole blocks becomes Q8_0 or else F16. Null for the type of the file. For training only
     *     null and F32
     * @throws TensorException as {@link #load(Purpose)}
     */
    public CausalLanguageModel load(Purpose purpose, DType matrices) {
        return WeightLoader.load(
                "the weights of " + name, config.weightNames(), config::build, weights(), purpose, matrices);
    }

    /**
     * A model of the values of {@code init} instead of stored ones, for inference, with its matrices in a dtype as by
     * {@link #load(Purpose, DType)}; null for F32. The caller closes it.
     */
    public static CausalLanguageModel untrained(ModelConfig config, Init init, DType matrices) {
        return WeightLoader.build(config, init, matrices);
    }

    private static Optional<byte[]> bytes(String name, FileSource files, String file) {
        try (InputStream in = files.open(file)) {
            return in == null ? Optional.empty() : Optional.of(in.readAllBytes());
        } catch (IOException e) {
            throw new TensorException(name + "/" + file + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /**
     * Writes a model as transformers reads it: {@code config.json}, {@code generation_config.json} and
     * {@code model.safetensors}; the tokenizer writes its own files. Each file appears once it is whole, over an earlier
     * one; {@code config.json}, by which a folder is a model, comes last.
     *
     * @param stored dtype of the weights in the file: F32, BF16 or F16
     * @throws TensorException if a file cannot be written
     */
    public static void save(Path folder, CausalLanguageModel model, GenerationConfig generation, DType stored) {
        LoraLayers.refuse(model);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, Param> p : model.parameters().entrySet()) {
            tensors.put(p.getKey(), p.getValue().value());
        }
        ObjectNode json = model.config().toJson();
        json.put("dtype", WeightTypes.name(stored));
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new TensorException(folder + ": the folder cannot be made: " + FileErrors.reason(e), e);
        }
        SafetensorsWriter.write(folder.resolve(WEIGHTS), tensors, Map.of("format", "pt"), stored);
        write(folder.resolve(GENERATION_CONFIG), generation.toJson());
        write(folder.resolve(CONFIG), json);
    }

    /**
     * Writes a model as a {@code .gguf} file that llama.cpp reads too, its matrices in the types that it holds them in. What
     * {@code generation_config.json} says has no place there.
     *
     * @param tokenizer of GPT-2's kind, or null for a file without one
     * @throws TensorException if the file cannot be written, or the format cannot hold the model
     */
    public static void saveGguf(Path file, CausalLanguageModel model, Tokenizer tokenizer) {
        LoraLayers.refuse(model);
        String title = file.getFileName().toString().replaceFirst("\\.gguf$", "");
        Gpt2Gguf.write(file, model, tokenizer, title);
    }

    private static void write(Path file, ObjectNode json) {
        try {
            AtomicFile.write(file, ConfigJson.bytes(json));
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be written: " + FileErrors.reason(e), e);
        }
    }
}
