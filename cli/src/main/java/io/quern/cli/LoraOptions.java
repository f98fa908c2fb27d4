package io.quern.cli;

import io.quern.nn.Module;
import io.quern.tensor.TensorException;
import io.quern.train.TrainState;
import io.quern.transformer.LoraConfig;
import io.quern.transformer.LoraLayers;
import io.quern.transformer.LoraTargets;
import io.quern.transformer.hub.AdapterDir;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** How to train LoRA adapters instead of a whole model. */
final class LoraOptions {
    /** The options that a resumed run takes over from the one before it. */
    static final List<String> LASTING = List.of("lora-rank", "lora-alpha", "lora-dropout", "lora-targets", "lora-bias");

    @Option(
            names = {"--lora-rank"},
            paramLabel = "N",
            description =
                    "Train only LoRA adapters of this rank, on the model of -m; --out is then an adapter in PEFT's"
                            + " layout.")
    Integer rank;

    @Option(
            names = {"--lora-alpha"},
            paramLabel = "X",
            description = "Adapters are scaled by alpha / rank. Default: twice the rank.")
    Double alpha;

    @Option(
            names = {"--lora-dropout"},
            paramLabel = "P",
            defaultValue = "0",
            description = "Dropout of what goes into an adapter. Default: ${DEFAULT-VALUE}.")
    double dropout;

    @Option(
            names = {"--lora-targets"},
            paramLabel = "NAME",
            arity = "1..*",
            split = ",",
            description =
                    "Layers that get an adapter, by the ends of their paths (PEFT's target_modules), or all-linear."
                            + " Default: c_attn of a GPT-2, query and value of a BERT.")
    List<String> targets;

    @Option(
            names = {"--lora-bias"},
            paramLabel = "none|all|lora_only",
            defaultValue = "none",
            description = "Biases that are trained too: none, all, or those of layers with an adapter."
                    + " Default: ${DEFAULT-VALUE}.")
    String bias;

    /** Whether adapters are trained. */
    boolean on() {
        return rank != null;
    }

    /** Refuses settings without a sense. */
    void check(String model) {
        if (!on()) {
            if (alpha != null || targets != null || dropout != 0 || !bias.equals("none")) {
                throw new Errors.UsageException("--lora-alpha, -dropout, -targets and -bias need --lora-rank");
            }
            return;
        }
        if (model == null) {
            throw new Errors.UsageException("--lora-rank needs -m, the model that the adapters are for");
        }
        if (rank < 1 || alpha != null && !(alpha > 0) || !(dropout >= 0 && dropout < 1)) {
            throw new Errors.UsageException(
                    "--lora-rank must be 1 or more, --lora-alpha above 0, --lora-dropout from 0" + " to below 1");
        }
        bias();
    }

    private LoraConfig.Bias bias() {
        return switch (bias) {
            case "none" -> LoraConfig.Bias.NONE;
            case "all" -> LoraConfig.Bias.ALL;
            case "lora_only" -> LoraConfig.Bias.LORA_ONLY;
            default -> throw new Errors.UsageException("--lora-bias is none, all or lora_only, not '" + bias + "'");
        };
    }

    /**
     * Attaches new adapters to a model, and gives their configuration.
     *
     * @param usual the targets where none are named
     * @param whole modules that are trained whole
     */
    LoraConfig attach(Module model, List<String> usual, List<String> whole, long seed) {
        List<String> names = LoraLayers.names(model, targets == null ? usual : targets);
        LoraConfig config = new LoraConfig(
                rank,
                alpha == null ? 2.0 * rank : alpha,
                dropout,
                LoraTargets.of(names),
                bias(),
                false,
                whole,
                Map.of(),
                Map.of());
        LoraLayers.attach(model, config, seed);
        return config;
    }

    /** What identifies the model under the adapters, for the state of a run. */
    static String base(Path model) throws IOException {
        return (String) Hashes.input(model.toString(), model).get("sha256");
    }

    /**
     * Refuses to go on with another model under the adapters.
     *
     * @throws TensorException if it is not the one that the state speaks of
     */
    static void checkBase(Path state, Path model, String base) {
        Object before = TrainState.read(state).config().get("base");
        if (before != null && !before.equals(base)) {
            throw new TensorException(
                    "cannot resume from " + state + ": its adapters were trained on another model than " + model
                            + " is now, whose SHA-256 was " + before + " and is " + base);
        }
    }

    /** The model that an adapter says it is for. */
    static String baseOf(Path adapter) {
        return AdapterDir.open(adapter)
                .base()
                .orElseThrow(() -> new TensorException(adapter + " does not say which model it is for: name it by -m"));
    }
}
