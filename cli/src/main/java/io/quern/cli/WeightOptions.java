package io.quern.cli;

import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** In which type a model's matrices are held. */
final class WeightOptions {
    private static final Map<String, DType> TYPES =
            Map.of("f32", DType.F32, "bf16", DType.BF16, "f16", DType.F16, "q8_0", DType.Q8_0, "q4_0", DType.Q4_0);

    @Option(
            names = {"--dtype"},
            paramLabel = "TYPE",
            description =
                    "Hold the weights of linear layers and embeddings in f32, bf16, f16, q8_0 or q4_0; the rest and"
                            + " all arithmetic stay f32. Default: auto, the type of the file.")
    private String dtype = "auto";

    /** The type that a user names; null for auto. */
    static DType parse(String option, String name) {
        DType type = TYPES.get(name.toLowerCase(Locale.ROOT));
        if (type == null && !name.equalsIgnoreCase("auto")) {
            throw new Errors.UsageException(option + " is " + (option.equals("--dtype") ? "auto, " : "")
                    + "f32, bf16, f16, q8_0 or q4_0, not '" + name + "'");
        }
        return type;
    }

    /** Loads a model for inference and moves it to a device; says what was chosen if asked to. */
    CausalLanguageModel load(ModelDir dir, Device device, Output output, boolean verbose) {
        return load(wanted -> dir.load(Purpose.INFERENCE, wanted), device, output, verbose);
    }

    /** As the other; {@code loader} makes the model with its matrices in a dtype, null for that of the file. */
    CausalLanguageModel load(
            Function<DType, CausalLanguageModel> loader, Device device, Output output, boolean verbose) {
        DType asked = parse("--dtype", dtype);
        // Kernels for narrower weights are the CPU's.
        boolean auto = asked == null;
        DType wanted = auto && !device.equals(Device.CPU) ? DType.F32 : asked;
        CausalLanguageModel model = loader.apply(wanted);
        try {
            model.moveTo(device);
            if (verbose) {
                output.note(describe(model, auto, wanted));
            }
            return model;
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    /** The dtypes of a model's parameters, with their sizes. */
    static String held(CausalLanguageModel model) {
        Map<DType, Long> bytes = new TreeMap<>();
        Map<DType, Integer> count = new TreeMap<>();
        for (Param p : model.parameters().values()) {
            DType type = p.value().dtype();
            bytes.merge(type, type.bytes(p.value().size()), Long::sum);
            count.merge(type, 1, Integer::sum);
        }
        return bytes.entrySet().stream()
                .map(e -> String.format(
                        Locale.ROOT,
                        "%s %.1f MiB in %d tensors",
                        e.getKey(),
                        e.getValue() / 1048576.0,
                        count.get(e.getKey())))
                .collect(Collectors.joining(", "));
    }

    private static String describe(CausalLanguageModel model, boolean auto, DType wanted) {
        String why =
                !auto ? "--dtype" : wanted == null ? "auto: matrices as the file has them" : "auto: f32 on this device";
        String mixed = wanted == DType.Q4_0
                ? "; embedding and output layer in Q6_K or Q8_0, which 4 bits would harm most, as llama.cpp does"
                : "";
        return "weights (" + why + "): " + held(model) + mixed;
    }
}
