package io.quern.vision;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.Safetensors;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.file.WeightEntry;
import io.quern.tensor.file.WeightSource;
import io.quern.tensor.file.Weights;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.text.FileSource;
import io.quern.vision.ImageModelConfig.Stored;
import io.quern.vision.model.ImageFamily;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * An image model in Hugging Face layout: {@code config.json}, {@code preprocessor_config.json} and
 * {@code model.safetensors}; in a folder, or among the resources of a program.
 */
public final class ImageModelDir {
    private static final String CONFIG = "config.json";
    private static final String PREPROCESSOR = "preprocessor_config.json";
    private static final String WEIGHTS = "model.safetensors";
    private static final int LISTED = 10;

    private final String name;
    private final ImageModelConfig config;
    private final Preprocessor preprocessor;
    private final Supplier<WeightSource> weights;

    private ImageModelDir(
            String name, ImageModelConfig config, Preprocessor preprocessor, Supplier<WeightSource> weights) {
        this.name = name;
        this.config = config;
        this.preprocessor = preprocessor;
        this.weights = weights;
    }

    /** Whether a folder holds an image model. */
    public static boolean isOne(Path folder) {
        Path json = folder.resolve(CONFIG);
        return Files.exists(json) && ImageFamily.supports(ConfigJson.read(json));
    }

    /**
     * Opens a folder.
     *
     * @throws TensorException if it is missing, is no model folder, or holds an architecture that is not supported
     */
    public static ImageModelDir open(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new TensorException(
                    folder + ": no such folder; an image model is a folder with " + CONFIG + " and " + WEIGHTS);
        }
        ImageModelConfig config = ImageFamily.read(ConfigJson.read(folder.resolve(CONFIG)));
        Path json = folder.resolve(PREPROCESSOR);
        Preprocessor p =
                Files.exists(json) ? Preprocessor.read(ConfigJson.read(json)) : Preprocessor.of(config.imageSize());
        return new ImageModelDir(folder.toString(), config, p, () -> WeightSource.open(folder));
    }

    /** Opens a model among resources. */
    public static ImageModelDir open(String name, FileSource files) {
        ImageModelConfig config = ImageFamily.read(ConfigJson.parse(name + "/" + CONFIG, bytes(name, files, CONFIG)));
        Preprocessor p =
                Preprocessor.read(ConfigJson.parse(name + "/" + PREPROCESSOR, bytes(name, files, PREPROCESSOR)));
        return new ImageModelDir(
                name, config, p, () -> Safetensors.of(name + "/" + WEIGHTS, bytes(name, files, WEIGHTS)));
    }

    private static byte[] bytes(String name, FileSource files, String file) {
        try (InputStream in = files.open(file)) {
            if (in == null) {
                throw new TensorException(name + " has no " + file);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new TensorException(name + "/" + file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /** Folder or resource, for people. */
    public String name() {
        return name;
    }

    public ImageModelConfig config() {
        return config;
    }

    /** How a picture becomes the model's pixels; Hugging Face's defaults if the folder does not say. */
    public Preprocessor preprocessor() {
        return preprocessor;
    }

    /**
     * Loads the model, trainable; the caller closes it. The whole file is checked before a weight is read.
     *
     * @throws TensorException if the weights are missing, broken, or do not fit the configuration
     */
    public ImageModel load() {
        try (WeightSource source = weights.get()) {
            Map<String, Stored> found = match(source);
            List<Tensor> made = new ArrayList<>();
            try {
                return config.build((path, shape) -> {
                    Tensor t = tensor(source, found.get(path));
                    made.add(t);
                    return t;
                });
            } catch (RuntimeException | Error e) {
                made.forEach(Tensor::close);
                throw e;
            }
        }
    }

    private Map<String, Stored> match(WeightSource source) {
        Map<String, Stored> found = new LinkedHashMap<>();
        List<String> problems = new ArrayList<>();
        Set<String> known = new HashSet<>();
        config.build((path, shape) -> {
                    find(source, path, shape, problems).ifPresent(s -> {
                        found.put(path, s);
                        known.add(s.name());
                    });
                    return Tensor.zeros(1).expand(shape);
                })
                .close();
        for (String n : source.names()) {
            if (!known.contains(n) && !config.ignores(n)) {
                problems.add("unexpected " + n + " " + source.get(n).shape());
            }
        }
        if (!problems.isEmpty()) {
            throw new TensorException("the weights of " + name + " do not fit its config.json in " + problems.size()
                    + (problems.size() == 1 ? " tensor: " : " tensors: ")
                    + String.join("; ", problems.subList(0, Math.min(LISTED, problems.size())))
                    + (problems.size() > LISTED ? "; and " + (problems.size() - LISTED) + " more" : ""));
        }
        return found;
    }

    private java.util.Optional<Stored> find(WeightSource source, String path, Shape shape, List<String> problems) {
        for (Stored s : config.stored(path)) {
            if (source.contains(s.name())) {
                WeightEntry e = source.get(s.name());
                Shape wanted = shape.with(0, Math.multiplyExact(shape.dim(0), s.parts()));
                if (!e.shape().equals(wanted)) {
                    problems.add(s.name() + " is " + e.shape() + ", expected " + wanted);
                } else if (e.type().dtype() == null || !e.type().dtype().isFloating()) {
                    problems.add(s.name() + " is stored as " + e.type() + ", expected F32, BF16, F16 or F64");
                }
                return java.util.Optional.of(s);
            }
        }
        problems.add("missing " + path + " " + shape);
        return java.util.Optional.empty();
    }

    private static Tensor tensor(WeightSource source, Stored s) {
        Tensor all = Weights.copy(source.get(s.name()), DType.F32);
        if (s.parts() == 1) {
            return all;
        }
        int rows = all.dim(0) / s.parts();
        Tensor part = all.narrow(0, s.part() * rows, rows).copy();
        all.close();
        return part;
    }

    /**
     * Writes a model as transformers reads it, in float32. Each file appears once it is whole; {@code config.json}, by
     * which a folder is a model, comes last.
     */
    public static void save(Path folder, ImageModel model, Preprocessor preprocessor) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        model.parameters().forEach((path, p) -> tensors.put(path, p.value()));
        ObjectNode json = model.config().toJson();
        json.put("dtype", "float32");
        try {
            Files.createDirectories(folder);
            SafetensorsWriter.write(folder.resolve(WEIGHTS), tensors, Map.of("format", "pt"), DType.F32);
            AtomicFile.write(folder.resolve(PREPROCESSOR), ConfigJson.bytes(preprocessor.toJson()));
            AtomicFile.write(folder.resolve(CONFIG), ConfigJson.bytes(json));
        } catch (IOException e) {
            throw new TensorException(folder + ": the model cannot be saved: " + e, e);
        }
    }
}
