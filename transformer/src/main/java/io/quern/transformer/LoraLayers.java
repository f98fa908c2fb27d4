package io.quern.transformer;

import io.quern.nn.Conv1D;
import io.quern.nn.Init;
import io.quern.nn.LinearLayer;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.tensor.Shape;
import io.quern.tensor.TensorException;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** LoRA adapters on the linear layers of a model. */
public final class LoraLayers {
    /** What stands for all linear layers but the output layer and those that are trained whole. */
    public static final String ALL_LINEAR = "all-linear";

    private static final Set<String> OUTPUTS = Set.of("lm_head", "classifier");

    private LoraLayers() {}

    /** All layers that can have an adapter, by path. */
    public static Map<String, LinearLayer> linear(Module model) {
        Map<String, LinearLayer> all = new LinkedHashMap<>();
        model.modules().forEach((path, m) -> {
            if (m instanceof LinearLayer layer) {
                all.put(path, layer);
            }
        });
        return all;
    }

    /** The layers that have one. */
    public static Map<String, LinearLayer> adapted(Module model) {
        Map<String, LinearLayer> all = linear(model);
        all.values().removeIf(layer -> layer.adapter() == null);
        return all;
    }

    /** Names for {@link LoraTargets}: these, or those that {@link #ALL_LINEAR} stands for. */
    public static List<String> names(Module model, List<String> targets) {
        if (!targets.equals(List.of(ALL_LINEAR))) {
            return targets;
        }
        Set<String> names = new LinkedHashSet<>();
        for (String path : linear(model).keySet()) {
            String last = path.substring(path.lastIndexOf('.') + 1);
            if (!OUTPUTS.contains(last)) {
                names.add(last);
            }
        }
        return List.copyOf(names);
    }

    /**
     * Attaches new adapters, which change nothing yet, and makes them all that is trained: with the biases and modules that the
     * configuration names. A is drawn as PEFT draws it, uniformly within 1 / sqrt(inputs); B is zero.
     *
     * @throws TensorException if no layer is a target, or one of the names fits none
     */
    public static void attach(Module model, LoraConfig config, long seed) {
        Map<String, LinearLayer> all = linear(model);
        Map<String, LinearLayer> chosen = new LinkedHashMap<>(all);
        chosen.keySet().removeIf(path -> !config.targets().match(path) || config.saves(path));
        for (String name : config.targets().names()) {
            if (chosen.keySet().stream().noneMatch(path -> LoraTargets.endsWith(path, name))) {
                throw noTarget("'" + name + "'", model);
            }
        }
        if (chosen.isEmpty()) {
            throw noTarget("the pattern '" + config.targets().pattern() + "'", model);
        }
        for (String name : config.modulesToSave()) {
            if (model.modules().keySet().stream().noneMatch(path -> LoraTargets.isInside(path, name))) {
                throw new TensorException("LoRA: the model has no module '" + name + "' to train whole");
            }
        }
        model.parameters().values().forEach(p -> p.setTrainable(false));
        chosen.forEach((path, layer) -> {
            int rank = config.rankOf(path);
            double bound = 1 / Math.sqrt(layer.inputs());
            layer.attach(
                    path,
                    Init.uniform(seed, bound).make(path + ".lora_A.weight", Shape.of(rank, layer.inputs())),
                    Init.constant(0).make(path + ".lora_B.weight", Shape.of(layer.outputs(), rank)),
                    config.scalingOf(path),
                    config.dropout());
        });
        model.parameters().forEach((path, p) -> {
            if (trainedBeside(config, path, chosen.keySet())) {
                p.setTrainable(true);
            }
        });
    }

    private static boolean trainedBeside(LoraConfig config, String path, Set<String> chosen) {
        int dot = path.lastIndexOf('.');
        String module = path.substring(0, Math.max(0, dot));
        boolean bias = path.endsWith(".bias")
                && switch (config.bias()) {
                    case NONE -> false;
                    case ALL -> true;
                    case LORA_ONLY -> chosen.contains(module);
                };
        return bias || config.saves(module);
    }

    private static TensorException noTarget(String what, Module model) {
        return new TensorException("LoRA: no linear layer is called " + what + "; there are "
                + names(model, List.of(ALL_LINEAR)) + " and longer ends of paths, such as "
                + linear(model).keySet().stream().findFirst().orElse("none"));
    }

    /**
     * What an adapter consists of, by path: the factors, and all parameters that are trained beside them.
     *
     * @param model with adapters attached by {@link #attach}
     */
    public static Map<String, Param> parts(Module model) {
        Map<String, Param> all = new LinkedHashMap<>();
        model.parameters().forEach((path, p) -> {
            if (p.isTrainable() || isFactor(path)) {
                all.put(path, p);
            }
        });
        return all;
    }

    /** Whether a parameter is one of an adapter's matrices. */
    public static boolean isFactor(String path) {
        return path.endsWith(".lora_A.weight") || path.endsWith(".lora_B.weight");
    }

    /** Whether the adapted layers keep their weights as [in, out]. */
    public static boolean transposed(Module model) {
        return adapted(model).values().stream().anyMatch(layer -> layer instanceof Conv1D);
    }

    /**
     * Adds all adapters to the weights and takes them away.
     *
     * @throws TensorException if weights are not F32: the model must have been loaded for training
     */
    public static void merge(Module model) {
        adapted(model).values().forEach(LinearLayer::merge);
    }

    /** Refuses a model with adapters, which a format for plain models would lose. */
    public static void refuse(Module model) {
        if (!adapted(model).isEmpty()) {
            throw new TensorException(
                    "a model with adapters cannot be saved as a plain one; merge them, or save the adapters alone");
        }
    }
}
