package io.quern.transformer.embed;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.FileErrors;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.JsonTree;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * What a sentence-transformers folder says: its {@code modules.json}, and the files that this names. A folder without one
 * is a bare encoder, whose hidden states sentence-transformers averages.
 *
 * @param encoder the folder of the encoder
 * @param poolings whose results are put side by side
 * @param normalize whether vectors are divided by their length
 * @param maxTokens the most tokens of a text; empty where only the encoder limits it
 * @param lowercase whether texts are made lower case before all else
 * @param prompts what goes before a text, by the name of its use
 * @param defaultPrompt what goes before a text for which nothing is said
 */
record SentenceSettings(
        Path encoder,
        List<Pooling> poolings,
        boolean normalize,
        OptionalInt maxTokens,
        boolean lowercase,
        Map<String, String> prompts,
        String defaultPrompt) {
    private static final String MODULES = "modules.json";
    private static final String PROMPTS = "config_sentence_transformers.json";
    private static final String LIMITS = "sentence_bert_config.json";
    private static final int MOST_TOKENS = 1 << 26;

    /** @throws TensorException if a file is broken, or asks for a module that is not supported */
    static SentenceSettings read(Path folder) {
        Path modules = folder.resolve(MODULES);
        Path encoder = folder;
        List<Pooling> poolings = List.of(Pooling.MEAN);
        boolean normalize = false;
        if (Files.exists(modules)) {
            JsonNode list = list(modules);
            List<String> kinds = new ArrayList<>();
            for (int i = 0; i < list.size(); i++) {
                ConfigJson module = new ConfigJson(modules + ": module " + i, object(modules, list.get(i)));
                String type = module.string("type", "");
                String kind = type.substring(type.lastIndexOf('.') + 1);
                Path place = inside(folder, module);
                kinds.add(kind);
                switch (kind) {
                    case "Transformer" -> encoder = place;
                    case "Pooling" -> poolings = poolings(ConfigJson.read(place.resolve("config.json")));
                    case "Normalize" -> normalize = true;
                    default ->
                        throw new TensorException(module.file() + ": " + type
                                + " is not supported; supported are Transformer, Pooling and Normalize");
                }
            }
            if (!kinds.equals(List.of("Transformer", "Pooling"))
                    && !kinds.equals(List.of("Transformer", "Pooling", "Normalize"))) {
                throw new TensorException(
                        modules + ": expected the modules Transformer, Pooling and perhaps Normalize, in"
                                + " this order; found " + kinds);
            }
        }
        ConfigJson limits = optional(encoder.resolve(LIMITS));
        ConfigJson prompts = optional(folder.resolve(PROMPTS));
        Map<String, String> named = prompts(prompts);
        String name = prompts.string("default_prompt_name", null);
        if (name != null && !named.containsKey(name)) {
            throw prompts.unexpected("default_prompt_name", "one of " + named.keySet());
        }
        return new SentenceSettings(
                encoder,
                poolings,
                normalize,
                maxTokens(limits, optional(encoder.resolve("tokenizer_config.json"))),
                limits.flag("do_lower_case", false),
                named,
                name == null ? "" : named.get(name));
    }

    private static JsonNode list(Path file) {
        try {
            JsonNode node = JsonTree.read(Files.readAllBytes(file));
            if (!node.isArray()) {
                throw new TensorException(file + ": expected a list of modules");
            }
            return node;
        } catch (JsonProcessingException e) {
            throw new TensorException(file + " is not valid JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    private static com.fasterxml.jackson.databind.node.ObjectNode object(Path file, JsonNode node) {
        if (node instanceof com.fasterxml.jackson.databind.node.ObjectNode object) {
            return object;
        }
        throw new TensorException(file + ": expected a list of modules, each a JSON object");
    }

    /** A module's folder, which must lie in the model's. */
    private static Path inside(Path folder, ConfigJson module) {
        Path base = folder.toAbsolutePath().normalize();
        Path place = base.resolve(module.string("path", "")).normalize();
        if (!place.startsWith(base)) {
            throw module.unexpected("path", "a folder in the model's");
        }
        return place.equals(base) ? folder : place;
    }

    private static List<Pooling> poolings(ConfigJson json) {
        if (!json.flag("include_prompt", true)) {
            throw json.unexpected("include_prompt", "true");
        }
        List<Pooling> found = new ArrayList<>();
        for (String mode : json.strings("pooling_mode")) {
            found.add(Pooling.find(mode).orElseThrow(() -> json.unexpected("pooling_mode", "a known one")));
        }
        if (!json.has("pooling_mode")) {
            for (Pooling p : Pooling.values()) {
                if (json.flag(p.key(), false)) {
                    found.add(p);
                }
            }
        }
        if (found.isEmpty()) {
            throw new TensorException(
                    json.file() + ": no way of pooling is switched on; expected one of " + List.of(Pooling.values()));
        }
        return List.copyOf(found);
    }

    private static OptionalInt maxTokens(ConfigJson limits, ConfigJson tokenizer) {
        if (limits.has("max_seq_length")) {
            return OptionalInt.of(limits.integer("max_seq_length", 1, MOST_TOKENS));
        }
        // Where a tokenizer has no limit, transformers writes 1e30.
        double most = tokenizer.number("model_max_length", MOST_TOKENS + 1.0);
        return most >= 1 && most <= MOST_TOKENS ? OptionalInt.of((int) most) : OptionalInt.empty();
    }

    private static Map<String, String> prompts(ConfigJson json) {
        Map<String, String> named = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> e : json.node().path("prompts").properties()) {
            if (!e.getValue().isTextual()) {
                throw json.unexpected("prompts", "strings by name");
            }
            named.put(e.getKey(), e.getValue().textValue());
        }
        return named;
    }

    private static ConfigJson optional(Path file) {
        return Files.exists(file) ? ConfigJson.read(file) : new ConfigJson(file.toString(), ConfigJson.object());
    }
}
