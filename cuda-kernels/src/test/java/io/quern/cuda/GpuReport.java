package io.quern.cuda;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The results of {@code gpu-check.sh} as tables: tests by outcome, and every measurement beside that of the peers. */
final class GpuReport {
    private final List<JsonNode> lines;
    private final StringBuilder text = new StringBuilder();

    private GpuReport(List<JsonNode> lines) {
        this.lines = lines;
    }

    static String of(Path file) throws IOException {
        ObjectMapper json = new ObjectMapper();
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            try {
                lines.add(json.readTree(line));
            } catch (IOException e) {
                // A process that was killed may have left half a line.
                lines.add(json.createObjectNode().put("part", "report").put("error", "damaged line: " + line));
            }
        }
        GpuReport r = new GpuReport(lines);
        r.tests();
        r.measurements();
        r.rates();
        r.problems();
        return r.text.toString();
    }

    private void tests() {
        Map<String, int[]> outcomes = new LinkedHashMap<>();
        for (JsonNode l : lines) {
            if (l.has("outcome")) {
                int[] n = outcomes.computeIfAbsent(l.path("part").asText(), p -> new int[3]);
                n[
                        List.of("passed", "failed", "skipped")
                                .indexOf(l.get("outcome").asText())]++;
            }
        }
        outcomes.forEach((part, n) ->
                text.append("tests of %s: %d passed, %d failed, %d skipped%n".formatted(part, n[0], n[1], n[2])));
    }

    /** A row for each operation, a column for each that ran it. */
    private void measurements() {
        Map<String, Map<String, JsonNode>> rows = new LinkedHashMap<>();
        for (JsonNode line : lines) {
            JsonNode l = variant(line);
            if (l.has("ms")) {
                String key = "%-10s %-28s %-5s"
                        .formatted(
                                l.path("part").asText(),
                                l.path("name").asText(),
                                l.path("dtype").asText());
                rows.computeIfAbsent(key, k -> new LinkedHashMap<>())
                        .put(l.path("impl").asText(), l);
            }
        }
        rows.forEach((key, by) -> {
            text.append(key);
            by.forEach((impl, l) -> text.append(cell(impl, l)));
            JsonNode own = by.get("own");
            JsonNode peer = by.getOrDefault("cuBLAS", by.get("torch"));
            if (own != null && peer != null) {
                text.append("  own/peer speed ")
                        .append(number(peer.get("ms").asDouble() / own.get("ms").asDouble()));
            }
            text.append('\n');
        });
    }

    /** A row of {@code quern bench kernels} for one of several kernels, in the form of the others. */
    private static JsonNode variant(JsonNode line) {
        String[] op = line.path("op").asText().split("/");
        if (op.length != 2 || !line.has("time_us")) {
            return line;
        }
        ObjectNode l = line.deepCopy();
        l.put("name", op[0] + " " + line.path("shape").asText()).put("impl", op[1]);
        l.put("ms", line.get("time_us").asDouble() / 1e3);
        return l.put("tflops", line.path("gflops").asDouble() / 1e3);
    }

    private static String cell(String impl, JsonNode l) {
        StringBuilder s = new StringBuilder(
                "  %s %s ms".formatted(impl, number(l.get("ms").asDouble())));
        double tflops = l.path("tflops").asDouble();
        double gbs = l.path("gb_s").asDouble();
        if (tflops > 0 && !l.has("of_copy")) {
            s.append(" ").append(number(tflops)).append(" TFLOP/s");
        } else if (gbs > 0) {
            s.append(" ").append(number(gbs)).append(" GB/s");
        }
        if (l.has("of_copy")) {
            s.append(" = ").append(number(l.get("of_copy").asDouble())).append(" of copy");
        }
        if (l.has("difference")) {
            s.append(", off by ").append("%.1e".formatted(l.get("difference").asDouble()));
        }
        return s.toString();
    }

    private void rates() {
        for (JsonNode l : lines) {
            if (l.has("tok_s")) {
                text.append("%-10s %-40s %12s tokens/s%n"
                        .formatted(
                                l.path("part").asText(),
                                (l.has("impl") ? l.get("impl").asText() : "quern") + " "
                                        + l.path("test").asText(l.path("model").asText()) + " "
                                        + l.path("dtype").asText(),
                                number(l.get("tok_s").asDouble())));
            }
        }
    }

    private void problems() {
        for (JsonNode l : lines) {
            String what =
                    l.has("error") ? l.get("error").asText() : l.path("skipped").asText(null);
            if (what == null && "failed".equals(l.path("outcome").asText())) {
                what = l.path("test").asText() + ": " + l.path("message").asText();
            }
            if (what != null) {
                text.append("! ")
                        .append(l.path("part").asText())
                        .append(
                                l.has("name")
                                        ? " " + l.get("name").asText() + " "
                                                + l.path("dtype").asText()
                                        : "")
                        .append(": ")
                        .append(what, 0, Math.min(what.length(), 600))
                        .append('\n');
            }
        }
    }

    private static String number(double x) {
        return String.format(Locale.ROOT, x >= 100 ? "%.0f" : x >= 1 ? "%.2f" : "%.4f", x);
    }
}
