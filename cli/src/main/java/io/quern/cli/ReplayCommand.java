package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Repeats a training run from its receipt and compares bit by bit. */
@Command(
        name = "replay",
        description =
                "Check the receipt of a training run: its seal, the hashes of its data, log and weights; then repeat"
                        + " the run, or its first steps, and compare losses and weights bit by bit.",
        sortOptions = false)
final class ReplayCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Parameters(paramLabel = "RUN", description = "The folder of the run.")
    private Path run;

    @Option(
            names = {"--steps"},
            paramLabel = "N",
            description = "Repeat only the first N updates; 0 checks the hashes alone. Default: all.")
    private Long steps;

    @Option(
            names = {"--data"},
            arity = "1..*",
            paramLabel = "FILE",
            description = "Where the data is now, if not where the receipt has it.")
    private List<Path> data;

    @Option(
            names = {"--out"},
            paramLabel = "DIR",
            description = "Keep the repeated run here. Default: a temporary folder that is deleted.")
    private Path out;

    private final Output output;

    ReplayCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        if (steps != null && steps < 0) {
            throw new Errors.UsageException("--steps must be 0 or more, not " + steps);
        }
        JsonNode receipt = Receipt.read(run);
        RunCurve recorded = checkFiles(receipt);
        ObjectNode options = receipt.required("options").deepCopy();
        checkData(receipt, options);
        long last = receipt.required("step").asLong();
        long repeat = steps == null ? last : Math.min(steps, last);
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("run", run.toString());
        report.put("steps", repeat);
        if (repeat == 0) {
            return report(report, null);
        }
        Path scratch = out == null ? Files.createTempDirectory("quern-replay") : out;
        try {
            repeat(receipt, options, repeat, scratch);
            return report(report, compare(receipt, recorded, repeat, last, scratch));
        } finally {
            if (out == null) {
                delete(scratch);
            }
        }
    }

    /** That log and weights are those of which the receipt speaks. */
    private RunCurve checkFiles(JsonNode receipt) throws IOException {
        RunCurve curve = RunCurve.read(run);
        if (!curve.sha256().equals(receipt.required("losses_sha256").asText())) {
            throw new TensorException(run.resolve(RunCurve.FILE)
                    + ": its losses are not those of the receipt: the log was changed, or is of another run");
        }
        for (Map.Entry<String, JsonNode> e : receipt.required("weights").properties()) {
            Path file = run.resolve(e.getKey());
            if (!Files.exists(file)) {
                output.note(file + " is not there: only the repeated run is compared with the receipt");
            } else if (!Hashes.of(file).equals(e.getValue().asText())) {
                throw new TensorException(file + " does not have the hash in the receipt: the weights were changed");
            }
        }
        return curve;
    }

    private void checkData(JsonNode receipt, ObjectNode options) throws IOException {
        JsonNode inputs = receipt.required("data");
        int given = 0;
        for (JsonNode input : inputs) {
            String name = input.required("path").asText();
            boolean moved = data != null && given < data.size() && isData(options, name);
            Path path = moved ? data.get(given++) : Path.of(name);
            if (!Files.exists(path)) {
                throw new TensorException(
                        path + ": this input of the run is not there; start replay in the folder where"
                                + " the run was started, or say by --data where its data is");
            }
            String now = (String) Hashes.input(name, path).get("sha256");
            if (!now.equals(input.required("sha256").asText())) {
                throw new TensorException(path + " is not what the run was trained on: its SHA-256 is " + now
                        + ", in the receipt " + input.get("sha256").asText());
            }
        }
        if (data != null) {
            if (options.path("data").isArray()) {
                ArrayNode paths = options.putArray("data");
                data.forEach(p -> paths.add(p.toString()));
            } else {
                options.put("data", data.getFirst().toString());
            }
        }
    }

    private static boolean isData(ObjectNode options, String name) {
        JsonNode d = options.path("data");
        for (JsonNode one : d) {
            if (one.asText().equals(name)) {
                return true;
            }
        }
        return d.isTextual() && d.asText().equals(name);
    }

    private void repeat(JsonNode receipt, ObjectNode options, long repeat, Path scratch) throws IOException {
        Path config = Files.createTempFile("quern-replay", ".json");
        try {
            Files.write(config, new ObjectMapper().writeValueAsBytes(options));
            List<String> args =
                    new ArrayList<>(List.of(receipt.required("command").asText().split(" ")));
            args.addAll(List.of("--config", config.toString(), "--out", scratch.toString(), "--json"));
            args.addAll(List.of("--device", receipt.required("device").asText()));
            args.addAll(List.of("--threads", receipt.required("threads").asText()));
            args.addAll(List.of("--stop-after", Long.toString(repeat)));
            if (common.quiet || common.json) {
                args.add("-q");
            }
            // The answer of the repeated run is not this command's.
            Output nested = new Output(
                    new ByteArrayInputStream(new byte[0]), OutputStream.nullOutputStream(), output.err(), false);
            int code = Main.execute(nested, args.toArray(String[]::new));
            if (code != Main.OK) {
                throw new TensorException(
                        "the run could not be repeated: quern " + String.join(" ", args) + " ended with code " + code);
            }
        } finally {
            Files.deleteIfExists(config);
        }
    }

    /** What differs first, or null. */
    private String compare(JsonNode receipt, RunCurve recorded, long repeat, long last, Path scratch)
            throws IOException {
        List<RunCurve.Point> again = RunCurve.read(scratch).points();
        for (int i = 0; i < repeat; i++) {
            if (i >= again.size() || i >= recorded.points().size()) {
                return "step " + (i + 1) + " is missing in " + (i >= again.size() ? "the repeated run" : "the log");
            }
            RunCurve.Point then = recorded.points().get(i);
            if (!then.same(again.get(i))) {
                return "step " + then.step() + ": " + then + " in the log, " + again.get(i) + " in the repeated run";
            }
        }
        Map<String, String> weights = RunRecord.weights(scratch);
        if (repeat == last) {
            for (Map.Entry<String, JsonNode> e : receipt.required("weights").properties()) {
                if (!e.getValue().asText().equals(weights.get(e.getKey()))) {
                    return e.getKey() + " has other bits";
                }
            }
            return null;
        }
        for (JsonNode saved : receipt.required("checkpoints")) {
            if (saved.path("step").asLong() == repeat
                    && !weights.containsValue(saved.path("sha256").asText())) {
                return "the weights after step " + repeat + " have other bits";
            }
        }
        return null;
    }

    private int report(Map<String, Object> report, String difference) throws IOException {
        List<String> elsewhere = differences(Receipt.read(run));
        report.put("identical", difference == null);
        report.put("difference", difference);
        report.put("environment", elsewhere);
        if (common.json) {
            output.json(report);
        } else {
            elsewhere.forEach(output::note);
            String done = (long) report.get("steps") == 0
                    ? "seal, data, log and weights are as recorded; nothing was repeated"
                    : "seal, data, log and weights are as recorded, and " + report.get("steps")
                            + " repeated steps gave the same bits";
            output.println(run + ": "
                    + (difference == null
                            ? done
                            : "the repeated run DIFFERS: " + difference
                                    + (elsewhere.isEmpty()
                                            ? ""
                                            : "; this may be due to the differences of the environment")));
        }
        return difference == null ? Main.OK : Main.FAILURE;
    }

    /** What of the environment is not as it was. */
    private static List<String> differences(JsonNode receipt) {
        Map<String, String> now = new LinkedHashMap<>();
        now.put("quern", Version.text());
        now.put("java", Runtime.version().toString());
        now.put("system", System.getProperty("os.name") + ", " + System.getProperty("os.arch"));
        now.put(
                "kernels",
                Device.parse(receipt.required("device").asText()).backend().description());
        List<String> all = new ArrayList<>();
        now.forEach((what, value) -> {
            String then = receipt.path(what).asText();
            if (!then.equals(value)) {
                all.add(what + " was '" + then + "' and is now '" + value + "'");
            }
        });
        if (receipt.has("resumed_at")) {
            all.add("the run was resumed at step " + receipt.get("resumed_at").asLong()
                    + "; options that were changed then cannot be repeated");
        }
        return all;
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path p : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(p);
            }
        }
    }
}
