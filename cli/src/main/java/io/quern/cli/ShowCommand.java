package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.DType;
import io.quern.tensor.file.WeightEntry;
import io.quern.tensor.file.WeightSource;
import io.quern.transformer.ModelConfig;
import io.quern.transformer.WeightNames;
import io.quern.transformer.hub.ModelDir;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Says what a model is. */
@Command(name = "show", description = "Print a model's architecture, size and memory need.")
final class ShowCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelOption model;

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
        ModelDir dir = model.open();
        ModelConfig config = dir.config();
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("model", dir.name());
        List<Map<String, Object>> list = new ArrayList<>();
        try (WeightSource weights = dir.weights()) {
            JsonNode json = config.toJson();
            facts.put("architecture", json.path("architectures").path(0).asText());
            Map<String, Long> byType = new TreeMap<>();
            long stored = 0;
            long numbers = 0;
            long memory = 0;
            for (String name : weights.names()) {
                WeightEntry e = weights.get(name);
                byType.merge(e.type().name(), e.shape().size(), Long::sum);
                stored += e.data().byteSize();
                numbers += e.shape().size();
                memory += memory(config, e);
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
            facts.put("vocabulary", config.vocabSize());
            facts.put("context", config.contextLength());
            json.properties().forEach(e -> {
                if (e.getKey().startsWith("n_") || e.getKey().equals("activation_function")) {
                    facts.put(
                            e.getKey(),
                            e.getValue().isNumber()
                                    ? e.getValue().numberValue()
                                    : e.getValue().asText());
                }
            });
        }
        if (common.json) {
            if (tensors) {
                facts.put("tensors", list);
            }
            output.json(facts);
        } else {
            facts.forEach((k, v) -> output.println("%-20s %s".formatted(k, v)));
            if (tensors) {
                list.forEach(t -> output.println("  %-4s %-16s %s"
                        .formatted(t.get("dtype"), java.util.Arrays.toString((int[]) t.get("shape")), t.get("name"))));
            }
        }
        return Main.OK;
    }

    /** As {@code --dtype auto} holds it: matrices of 16 bits or less stay as they are, all else becomes F32. */
    private static long memory(ModelConfig config, WeightEntry e) {
        DType stored = e.type().dtype();
        boolean matrix = config.weightNames().role(e.name()) != WeightNames.Role.OTHER;
        boolean kept = stored == DType.BF16 || stored == DType.F16 || stored != null && stored.isQuantized();
        return matrix && kept ? e.data().byteSize() : 4 * e.shape().size();
    }

    private static double mib(long bytes) {
        return Math.round(bytes * 10.0 / (1 << 20)) / 10.0;
    }
}
