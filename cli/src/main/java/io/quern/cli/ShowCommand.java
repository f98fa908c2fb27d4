package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.DType;
import io.quern.tensor.file.WeightEntry;
import io.quern.tensor.file.WeightSource;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.ModelConfig;
import io.quern.transformer.WeightNames;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.model.BertConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says what a model is. */
@Command(name = "show", description = "Print a model's architecture, size and memory need.")
final class ShowCommand implements Callable<Integer> {
    private static final String CONFIG = "config.json";

    /** Keys of {@code config.json} that say nothing about the model, or are told otherwise. */
    private static final Set<String> UNTOLD = Set.of("model_type", "dtype", "torch_dtype", "transformers_version");

    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelOption model;

    @Parameters(arity = "0..1", paramLabel = "MODEL", description = "The model, in place of -m.")
    private String positional;

    @Option(
            names = {"--tensors"},
            description = "List every tensor of the weight files.")
    private boolean tensors;

    private final Output output;

    ShowCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        if (positional != null && model.name() != null) {
            throw new Errors.UsageException("name the model once, by -m or without");
        }
        String name = positional != null ? positional : model.name();
        Path folder = otherThanDecoder(name);
        Map<String, Object> facts = new LinkedHashMap<>();
        List<Map<String, Object>> list = new ArrayList<>();
        if (folder == null) {
            ModelDir dir = Models.open(name);
            facts.put("model", dir.name());
            try (WeightSource weights = dir.weights()) {
                decoder(dir.config(), weights, facts, list);
            }
        } else {
            facts.put("model", folder.toString());
            try (WeightSource weights = WeightSource.open(folder)) {
                other(ConfigJson.read(folder.resolve(CONFIG)), weights, facts, list);
            }
        }
        print(facts, list);
        return Main.OK;
    }

    /** The folder of an encoder or of a model of pictures; null if that is not what is named. */
    private static Path otherThanDecoder(String name) {
        if (name == null || name.endsWith(".gguf")) {
            return null;
        }
        Path folder = EncoderDir.folder(name);
        Path file = folder.resolve(CONFIG);
        if (!Files.exists(file)) {
            return null;
        }
        ConfigJson json = ConfigJson.read(file);
        return BertConfig.describes(json) || isOfPictures(json) ? folder : null;
    }

    private static boolean isOfPictures(ConfigJson json) {
        return json.node().has("image_size");
    }

    private static void decoder(
            ModelConfig config, WeightSource weights, Map<String, Object> facts, List<Map<String, Object>> list) {
        JsonNode json = config.toJson();
        facts.put("architecture", json.path("architectures").path(0).asText());
        facts.put("for", "generate, logits, eval --text-file, train gpt -m");
        weights(weights, config.weightNames(), facts, list);
        facts.put("vocabulary", config.vocabSize());
        facts.put("context", config.contextLength());
        json.properties().forEach(e -> {
            if (e.getKey().startsWith("n_") || e.getKey().equals("activation_function")) {
                facts.put(e.getKey(), scalar(e.getValue()));
            }
        });
    }

    private static void other(
            ConfigJson config, WeightSource weights, Map<String, Object> facts, List<Map<String, Object>> list) {
        String type = config.string("model_type", "");
        facts.put("architecture", String.join(", ", config.strings("architectures")));
        facts.put("for", isOfPictures(config) ? commandsForPictures(type) : "embed, search, classify --text");
        weights(weights, isOfPictures(config) ? null : BertConfig.classifierNames(), facts, list);
        config.node().properties().forEach(e -> {
            if (e.getValue().isValueNode()
                    && !UNTOLD.contains(e.getKey())
                    && !e.getValue().isNull()) {
                facts.put(e.getKey(), scalar(e.getValue()));
            }
        });
        int classes = config.node().path("id2label").size();
        if (classes > 0) {
            facts.put("classes", classes);
        }
    }

    private static String commandsForPictures(String type) {
        return switch (type) {
            case "quern_autoencoder" -> "reconstruct, eval --images";
            case "vit", "deit" -> "classify, attention, eval --images";
            default -> "classify, eval --images";
        };
    }

    private static Object scalar(JsonNode value) {
        return value.isNumber() ? value.numberValue() : value.asText();
    }

    /** @param names says which tensors are matrices that may stay in 16 bits or less; null if none may */
    private static void weights(
            WeightSource weights, WeightNames names, Map<String, Object> facts, List<Map<String, Object>> list) {
        Map<String, Long> byType = new TreeMap<>();
        long stored = 0;
        long numbers = 0;
        long memory = 0;
        for (String name : weights.names()) {
            WeightEntry e = weights.get(name);
            byType.merge(e.type().name(), e.shape().size(), Long::sum);
            stored += e.data().byteSize();
            numbers += e.shape().size();
            memory += memory(names, e);
            Map<String, Object> t = new LinkedHashMap<>();
            t.put("name", name);
            t.put("dtype", e.type().name());
            t.put("shape", e.shape().dims());
            list.add(t);
        }
        facts.put("parameters", numbers);
        facts.put("stored_as", String.join(", ", byType.keySet()));
        facts.put("file_mib", mib(stored));
        facts.put("memory_mib", mib(memory));
    }

    private void print(Map<String, Object> facts, List<Map<String, Object>> list) {
        if (common.json) {
            if (tensors) {
                facts.put("tensors", list);
            }
            output.json(facts);
        } else {
            facts.forEach((k, v) -> output.println("%-20s %s".formatted(k, v)));
            if (tensors) {
                list.forEach(t -> output.println("  %-4s %-16s %s"
                        .formatted(t.get("dtype"), Arrays.toString((int[]) t.get("shape")), t.get("name"))));
            }
        }
    }

    /** As {@code --dtype auto} holds it: matrices of 16 bits or less stay as they are, all else becomes F32. */
    private static long memory(WeightNames names, WeightEntry e) {
        DType stored = e.type().dtype();
        boolean matrix = names != null && names.role(e.name()) != WeightNames.Role.OTHER;
        boolean kept = stored == DType.BF16 || stored == DType.F16 || stored != null && stored.isQuantized();
        return matrix && kept ? e.data().byteSize() : 4 * e.shape().size();
    }

    private static double mib(long bytes) {
        return Math.round(bytes * 10.0 / (1 << 20)) / 10.0;
    }
}
