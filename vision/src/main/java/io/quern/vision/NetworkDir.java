package io.quern.vision;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Module;
import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.FileErrors;
import io.quern.tensor.file.Safetensors;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.file.WeightEntry;
import io.quern.tensor.file.WeightSource;
import io.quern.tensor.file.Weights;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.hub.ModelNotFoundException;
import io.quern.transformer.text.FileSource;
import io.quern.vision.NetworkConfig.Stored;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A network on pictures in Hugging Face layout: {@code config.json}, {@code preprocessor_config.json} and
 * {@code model.safetensors}; in a folder, or among the resources of a program.
 */
abstract class NetworkDir<M extends Module, C extends NetworkConfig<M>> {
    static final String CONFIG = "config.json";
    private static final String PREPROCESSOR = "preprocessor_config.json";
    private static final String WEIGHTS = "model.safetensors";
    private static final int LISTED = 10;

    private final String name;
    private final C config;
    private final Preprocessor preprocessor;
    private final Supplier<WeightSource> weights;

    /** A folder, whose {@code config.json} {@code read} understands. */
    NetworkDir(Path folder, Function<ConfigJson, C> read) {
        ModelNotFoundException.check(folder, "an image model");
        Path json = folder.resolve(PREPROCESSOR);
        name = folder.toString();
        config = read.apply(ConfigJson.read(folder.resolve(CONFIG)));
        preprocessor =
                Files.exists(json) ? Preprocessor.read(ConfigJson.read(json)) : Preprocessor.of(config.imageSize());
        weights = () -> WeightSource.open(folder);
    }

    /** Resources. */
    NetworkDir(String name, FileSource files, Function<ConfigJson, C> read) {
        this.name = name;
        config = read.apply(ConfigJson.parse(name + "/" + CONFIG, bytes(name, files, CONFIG)));
        preprocessor = Preprocessor.read(ConfigJson.parse(name + "/" + PREPROCESSOR, bytes(name, files, PREPROCESSOR)));
        weights = () -> Safetensors.of(name + "/" + WEIGHTS, bytes(name, files, WEIGHTS));
    }

    private static byte[] bytes(String name, FileSource files, String file) {
        try (InputStream in = files.open(file)) {
            if (in == null) {
                throw new TensorException(name + " has no " + file);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new TensorException(name + "/" + file + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /** Folder or resource, for people. */
    public final String name() {
        return name;
    }

    public final C config() {
        return config;
    }

    /** How a picture becomes the network's pixels; Hugging Face's defaults if the folder does not say. */
    public final Preprocessor preprocessor() {
        return preprocessor;
    }

    /**
     * Loads the network, trainable; the caller closes it. The whole file is checked before a weight is read.
     *
     * @throws TensorException if the weights are missing, broken, or do not fit the configuration
     */
    public final M load() {
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

    private Optional<Stored> find(WeightSource source, String path, Shape shape, List<String> problems) {
        for (Stored s : config.stored(path)) {
            if (source.contains(s.name())) {
                WeightEntry e = source.get(s.name());
                Shape wanted = shape.with(0, Math.multiplyExact(shape.dim(0), s.parts()));
                if (!e.shape().equals(wanted)) {
                    problems.add(s.name() + " is " + e.shape() + ", expected " + wanted);
                } else if (e.type().dtype() == null || !e.type().dtype().isFloating()) {
                    problems.add(s.name() + " is stored as " + e.type() + ", expected F32, BF16, F16 or F64");
                }
                return Optional.of(s);
            }
        }
        problems.add("missing " + path + " " + shape);
        return Optional.empty();
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
     * Writes a network as transformers does, in float32. Each file appears once it is whole; {@code config.json}, by which
     * a folder is a model, comes last.
     */
    static void write(Path folder, Module network, NetworkConfig<?> config, Preprocessor preprocessor) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        network.parameters().forEach((path, p) -> tensors.put(path, p.value()));
        ObjectNode json = config.toJson();
        json.put("dtype", "float32");
        try {
            Files.createDirectories(folder);
            SafetensorsWriter.write(folder.resolve(WEIGHTS), tensors, Map.of("format", "pt"), DType.F32);
            AtomicFile.write(folder.resolve(PREPROCESSOR), ConfigJson.bytes(preprocessor.toJson()));
            AtomicFile.write(folder.resolve(CONFIG), ConfigJson.bytes(json));
        } catch (IOException e) {
            throw new TensorException(folder + ": the model cannot be saved: " + FileErrors.reason(e), e);
        }
    }
}
