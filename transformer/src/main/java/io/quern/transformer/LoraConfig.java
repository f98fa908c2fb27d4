package io.quern.transformer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.TensorException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * What PEFT's {@code adapter_config.json} says of LoRA adapters. Source: Hu et al., "LoRA: Low-rank adaptation of large
 * language models" (2021).
 *
 * @param rank of the products, unless {@code ranks} says otherwise
 * @param alpha the products are scaled by alpha / rank
 * @param dropout of what goes into an adapter
 * @param targets the layers that get one
 * @param bias which biases are trained too
 * @param rankStabilised whether they are scaled by alpha / sqrt(rank) instead (Kalajdzievski, 2023)
 * @param modulesToSave modules that are trained whole, such as a new classifier, by the ends of their paths
 * @param ranks of layers whose path ends with a match of the pattern
 * @param alphas likewise
 */
public record LoraConfig(
        int rank,
        double alpha,
        double dropout,
        LoraTargets targets,
        Bias bias,
        boolean rankStabilised,
        List<String> modulesToSave,
        Map<String, Integer> ranks,
        Map<String, Double> alphas) {
    private static final int LARGEST_RANK = 1 << 16;

    /** What PEFT can do and this cannot, with the value that means it is not used. */
    private static final Map<String, String> UNSUPPORTED = Map.of(
            "use_dora", "false",
            "lora_bias", "false",
            "layer_replication", "null",
            "use_qalora", "false",
            "use_bdlora", "false",
            "target_parameters", "null",
            "alora_invocation_tokens", "null",
            "arrow_config", "null",
            "kasa_config", "null",
            "monteclora_config", "null");

    private static final List<String> CHANGE_THE_BASE = List.of("pissa", "olora", "loftq", "corda", "lora_ga");

    /** Which biases of the model are trained beside the adapters. */
    public enum Bias {
        NONE,
        ALL,
        LORA_ONLY;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    public LoraConfig {
        if (rank < 1 || !(alpha > 0 && alpha < Double.POSITIVE_INFINITY) || !(dropout >= 0 && dropout < 1)) {
            throw new IllegalArgumentException(
                    "LoRA needs a rank of 1 or more, an alpha above 0 and a dropout from 0 to" + " below 1, not " + rank
                            + ", " + alpha + " and " + dropout);
        }
        modulesToSave = List.copyOf(modulesToSave);
        ranks = Map.copyOf(ranks);
        alphas = Map.copyOf(alphas);
    }

    /** Adapters without trained biases, on the layers of these names. */
    public static LoraConfig of(int rank, double alpha, double dropout, List<String> targets) {
        return new LoraConfig(
                rank, alpha, dropout, LoraTargets.of(targets), Bias.NONE, false, List.of(), Map.of(), Map.of());
    }

    public LoraConfig withBias(Bias which) {
        return new LoraConfig(rank, alpha, dropout, targets, which, rankStabilised, modulesToSave, ranks, alphas);
    }

    public LoraConfig withModulesToSave(List<String> modules) {
        return new LoraConfig(rank, alpha, dropout, targets, bias, rankStabilised, modules, ranks, alphas);
    }

    /** The rank of the adapter of a layer. */
    public int rankOf(String path) {
        return find(ranks, path, rank);
    }

    /** What the product of a layer's adapter is multiplied by. */
    public double scalingOf(String path) {
        double a = find(alphas, path, alpha);
        return rankStabilised ? a / Math.sqrt(rankOf(path)) : a / rankOf(path);
    }

    private static <T> T find(Map<String, T> patterns, String path, T otherwise) {
        return patterns.entrySet().stream()
                .filter(e -> Pattern.matches("(.*\\.)?(" + e.getKey() + ")", path))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(otherwise);
    }

    /** Whether a module, or one that it is in, is trained whole. */
    public boolean saves(String path) {
        return modulesToSave.stream().anyMatch(name -> LoraTargets.isInside(path, name));
    }

    /**
     * Reads {@code adapter_config.json}.
     *
     * @throws TensorException if it is not of LoRA adapters, is damaged, or asks for what is not supported
     */
    public static LoraConfig read(ConfigJson json) {
        if (!json.string("peft_type", "").equals("LORA")) {
            throw json.unexpected("peft_type", "LORA, the only kind of adapter that is supported");
        }
        UNSUPPORTED.forEach((key, off) -> {
            if (json.has(key) && !json.node().path(key).asText().equals(off)) {
                throw json.unexpected(key, off + ", for nothing else is supported");
            }
        });
        String bias = json.string("bias", Bias.NONE.label());
        Bias which = List.of(Bias.values()).stream()
                .filter(b -> b.label().equals(bias))
                .findFirst()
                .orElseThrow(() -> json.unexpected("bias", "none, all or lora_only"));
        String init = json.node().path("init_lora_weights").asText("true");
        if (CHANGE_THE_BASE.stream().anyMatch(init::startsWith)) {
            throw json.unexpected(
                    "init_lora_weights", "true, false or gaussian: others change the weights of the model");
        }
        double dropout = json.number("lora_dropout", 0);
        if (!(dropout >= 0 && dropout < 1)) {
            throw json.unexpected("lora_dropout", "a probability below 1");
        }
        Map<String, Integer> ranks = new LinkedHashMap<>();
        numbers(json, "rank_pattern").forEach((k, v) -> {
            if (v < 1 || v > LARGEST_RANK || v != Math.rint(v)) {
                throw json.unexpected("rank_pattern", "ranks from 1 to " + LARGEST_RANK);
            }
            ranks.put(k, v.intValue());
        });
        return new LoraConfig(
                json.integer("r", 1, LARGEST_RANK),
                positive(json, "lora_alpha"),
                dropout,
                LoraTargets.read(json),
                which,
                json.flag("use_rslora", false),
                json.strings("modules_to_save"),
                ranks,
                numbers(json, "alpha_pattern"));
    }

    private static double positive(ConfigJson json, String key) {
        double x = json.number(key, 8);
        if (!(x > 0)) {
            throw json.unexpected(key, "a number above 0");
        }
        return x;
    }

    private static Map<String, Double> numbers(ConfigJson json, String key) {
        Map<String, Double> all = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> e : json.node().path(key).properties()) {
            double v = e.getValue().asDouble(Double.NaN);
            try {
                Pattern.compile(e.getKey());
            } catch (PatternSyntaxException bad) {
                throw json.unexpected(key, "regular expressions and numbers");
            }
            if (!(v > 0 && v < Double.POSITIVE_INFINITY)) {
                throw json.unexpected(key, "regular expressions and numbers above 0");
            }
            all.put(e.getKey(), v);
        }
        return all;
    }

    /**
     * The contents of {@code adapter_config.json}.
     *
     * @param base name or folder of the model, or null
     * @param taskType such as {@code CAUSAL_LM}
     * @param transposed whether the layers keep their weights as [in, out], as GPT-2's do
     */
    public ObjectNode toJson(String base, String taskType, boolean transposed) {
        ObjectNode json = ConfigJson.object();
        ObjectNode alphaPattern = json.putObject("alpha_pattern");
        alphas.forEach(alphaPattern::put);
        json.putNull("auto_mapping");
        json.put("base_model_name_or_path", base);
        json.put("bias", bias.label());
        json.put("fan_in_fan_out", transposed);
        json.put("inference_mode", true);
        json.put("init_lora_weights", true);
        json.putNull("layers_pattern");
        json.putNull("layers_to_transform");
        if (alpha == Math.rint(alpha) && alpha < 1e9) {
            json.put("lora_alpha", (int) alpha);
        } else {
            json.put("lora_alpha", alpha);
        }
        json.put("lora_dropout", dropout);
        if (modulesToSave.isEmpty()) {
            json.putNull("modules_to_save");
        } else {
            modulesToSave.forEach(json.putArray("modules_to_save")::add);
        }
        json.put("peft_type", "LORA");
        json.put("r", rank);
        ObjectNode rankPattern = json.putObject("rank_pattern");
        ranks.forEach(rankPattern::put);
        json.putNull("revision");
        targets.put(json);
        json.put("task_type", taskType);
        json.put("use_dora", false);
        json.put("use_rslora", rankStabilised);
        return json;
    }
}
