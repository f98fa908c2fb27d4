package io.quern.transformer.hub;

import io.quern.nn.LinearLayer;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.FileErrors;
import io.quern.tensor.file.Safetensors;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.file.WeightEntry;
import io.quern.tensor.file.Weights;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.LoraConfig;
import io.quern.transformer.LoraLayers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * LoRA adapters as PEFT saves them: a folder with {@code adapter_config.json} and {@code adapter_model.safetensors}. The
 * model that they belong to is elsewhere.
 */
public final class AdapterDir {
    /** The file that makes a folder an adapter. */
    public static final String CONFIG = "adapter_config.json";

    /** The file with the matrices. */
    public static final String WEIGHTS = "adapter_model.safetensors";

    private static final String PREFIX = "base_model.model.";
    private static final String BASE_LAYER = ".base_layer.";
    private static final String A = ".lora_A.weight";
    private static final String B = ".lora_B.weight";
    private static final int LISTED = 10;

    private final Path folder;
    private final ConfigJson json;
    private final LoraConfig config;

    private AdapterDir(Path folder, ConfigJson json) {
        this.folder = folder;
        this.json = json;
        this.config = LoraConfig.read(json);
    }

    /** Whether a folder holds an adapter. */
    public static boolean isOne(Path folder) {
        return Files.exists(folder.resolve(CONFIG));
    }

    /**
     * Opens a folder.
     *
     * @throws TensorException if it is missing, has no adapter, or one that is not supported
     */
    public static AdapterDir open(Path folder) {
        if (!isOne(folder)) {
            throw new TensorException(folder + (Files.isDirectory(folder) ? " has no " + CONFIG : ": no such folder")
                    + "; an adapter is a folder with " + CONFIG + " and " + WEIGHTS);
        }
        return new AdapterDir(folder, ConfigJson.read(folder.resolve(CONFIG)));
    }

    public Path folder() {
        return folder;
    }

    public LoraConfig config() {
        return config;
    }

    /** The model that the adapter was made for, by folder or name, if the adapter says so. */
    public Optional<String> base() {
        return Optional.of(json.string("base_model_name_or_path", "")).filter(s -> !s.isEmpty());
    }

    /**
     * Attaches the adapter to its model: factors to linear layers, and in place of biases and modules what was trained instead.
     * Nothing is trainable then. All is checked before the model is touched.
     *
     * @throws TensorException if the weights are missing, broken, or do not fit the model
     */
    public void attach(Module model) {
        try (Safetensors source = Safetensors.open(folder.resolve(WEIGHTS))) {
            new Plan(model, source).carryOut();
        }
    }

    /** Where each tensor of the file goes. */
    private final class Plan {
        private final Module model;
        private final Safetensors source;
        private final Map<String, LinearLayer> linear;
        private final Map<String, Param> params;
        private final Map<String, WeightEntry> factors = new LinkedHashMap<>();
        private final Map<String, WeightEntry> replaced = new LinkedHashMap<>();
        private final TreeSet<String> layers = new TreeSet<>();
        private final List<String> problems = new ArrayList<>();

        Plan(Module model, Safetensors source) {
            this.model = model;
            this.source = source;
            this.linear = LoraLayers.linear(model);
            this.params = model.parameters();
            if (!LoraLayers.adapted(model).isEmpty()) {
                throw new TensorException("the model has an adapter already; merge it before attaching " + folder);
            }
            source.names().forEach(this::place);
            checkFactors();
            if (problems.isEmpty() && layers.isEmpty()) {
                problems.add("it has no tensor called lora_A or lora_B");
            }
            if (!problems.isEmpty()) {
                throw new TensorException("the adapter in " + folder + " does not fit the model: "
                        + String.join("; ", problems.subList(0, Math.min(LISTED, problems.size())))
                        + (problems.size() > LISTED ? "; and " + (problems.size() - LISTED) + " more" : ""));
            }
        }

        private void place(String name) {
            WeightEntry e = source.get(name);
            String path = name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
            if (!Weights.isReal(e) || e.type().dtype().isQuantized()) {
                problems.add(name + " is stored as " + e.type() + ", expected F32, BF16, F16 or F64");
                return;
            }
            if (LoraLayers.isFactor(path)) {
                String end = path.endsWith(A) ? A : B;
                String layer = find(path.substring(0, path.length() - end.length()), linear);
                if (layer == null) {
                    problems.add("there is no linear layer for " + name);
                } else {
                    layers.add(layer);
                    factors.put(layer + end, e);
                }
                return;
            }
            String param = find(path.replace(BASE_LAYER, "."), params);
            if (param == null) {
                problems.add("unexpected " + name + " " + e.shape());
            } else if (!params.get(param).shape().equals(e.shape())) {
                problems.add(name + " is " + e.shape() + ", expected "
                        + params.get(param).shape());
            } else {
                replaced.put(param, e);
            }
        }

        /** A path as it is, or the only one that ends so: some were made for a model without a head. */
        private static String find(String path, Map<String, ?> all) {
            if (all.containsKey(path)) {
                return path;
            }
            List<String> longer =
                    all.keySet().stream().filter(p -> p.endsWith("." + path)).toList();
            return longer.size() == 1 ? longer.getFirst() : null;
        }

        private void checkFactors() {
            boolean all = !json.has("layers_to_transform") && !json.has("exclude_modules");
            for (String path : linear.keySet()) {
                if (all && config.targets().match(path) && !config.saves(path)) {
                    layers.add(path);
                }
            }
            params.forEach((path, p) -> {
                if (config.saves(path) && !replaced.containsKey(path)) {
                    problems.add("missing " + PREFIX + path + " " + p.shape());
                }
            });
            for (String path : layers) {
                LinearLayer layer = linear.get(path);
                int rank = config.rankOf(path);
                checkShape(path + A, rank, layer.inputs());
                checkShape(path + B, layer.outputs(), rank);
            }
        }

        private void checkShape(String path, int rows, int columns) {
            WeightEntry e = factors.get(path);
            Shape expected = Shape.of(rows, columns);
            if (e == null) {
                problems.add("missing " + PREFIX + path + " " + expected);
            } else if (!e.shape().equals(expected)) {
                problems.add(e.name() + " is " + e.shape() + ", expected " + expected);
            }
        }

        void carryOut() {
            replaced.forEach((path, e) -> params.get(path).set(own(e)));
            for (String path : layers) {
                linear.get(path)
                        .attach(
                                path,
                                own(factors.get(path + A)),
                                own(factors.get(path + B)),
                                config.scalingOf(path),
                                config.dropout());
            }
            model.parameters().values().forEach(p -> p.setTrainable(false));
        }

        private static Tensor own(WeightEntry e) {
            return Weights.copy(e, DType.F32);
        }
    }

    /**
     * Writes the adapter of a model as PEFT reads it, in F32: the factors, and what else is trainable.
     *
     * @param base name or folder of the model without adapter, or null
     * @param taskType PEFT's name of what the model does: {@code CAUSAL_LM} or {@code SEQ_CLS}
     * @throws TensorException if the model has no adapter, or a file cannot be written
     */
    public static void save(Path folder, Module model, LoraConfig config, String base, String taskType) {
        Map<String, LinearLayer> adapted = LoraLayers.adapted(model);
        if (adapted.isEmpty()) {
            throw new TensorException(folder + ": there is no adapter to save: the model has none");
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        LoraLayers.parts(model).forEach((path, p) -> {
            int dot = path.lastIndexOf('.');
            boolean inside = adapted.containsKey(path.substring(0, Math.max(0, dot)));
            String name = inside ? path.substring(0, dot) + BASE_LAYER + path.substring(dot + 1) : path;
            tensors.put(PREFIX + name, p.value());
        });
        try {
            Files.createDirectories(folder);
            SafetensorsWriter.write(folder.resolve(WEIGHTS), tensors, Map.of("format", "pt"), DType.F32);
            AtomicFile.write(
                    folder.resolve(CONFIG),
                    ConfigJson.bytes(config.toJson(base, taskType, LoraLayers.transposed(model))));
        } catch (IOException e) {
            throw new TensorException(folder + ": the adapter cannot be saved: " + FileErrors.reason(e), e);
        }
    }
}
