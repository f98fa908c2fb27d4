package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Results of {@code bench} as text: json and jsonl, which can be baselines, csv and markdown. */
final class BenchFiles {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int FORMAT = 1;

    /** Longer files are no results. */
    private static final long LONGEST = 64L << 20;

    private BenchFiles() {}

    /** A row with all that follows from it. */
    static Map<String, Object> row(BenchRow r, BenchRun.Roofs roofs) {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("op", r.op());
        m.put("shape", r.shape());
        m.put("dtype", r.dtype());
        m.put("unit", r.unit());
        m.put("time_us", 1e6 * r.median());
        m.put("time_us_sd", 1e6 * new Samples(r.seconds()).deviation());
        m.put("seconds", r.seconds());
        m.put("seconds_quartile", r.quick());
        m.put("seconds_least", r.all(BenchRow.Rounds::least));
        m.put("rounds", r.processes().stream().map(p -> p.quick().length).toList());
        double[] compute = r.all(BenchRow.Rounds::compute);
        if (compute.length == r.quick().length) {
            m.put("pace_compute", compute);
            m.put("pace_memory", r.all(BenchRow.Rounds::memory));
        }
        m.put("flops", r.flops());
        m.put("bytes", r.bytes());
        if (r.bytes() > 0) {
            m.put("gflops", r.gflops());
            m.put("gb_s", r.gigabytesPerSecond());
            m.put("flops_per_byte", r.intensity());
        }
        if (r.bytes() > 0 && roofs != null) {
            m.put("peak_fraction", r.fraction(roofs));
            m.put("bound", r.boundByArithmetic(roofs) ? "arithmetic" : "memory");
        }
        return m;
    }

    private static Map<String, Object> head(BenchRun run) {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("quern_bench", FORMAT);
        m.put("machine", run.machine());
        m.put("roofs", run.roofs());
        return m;
    }

    static String json(BenchRun run) throws IOException {
        Map<String, Object> m = head(run);
        m.put("rows", run.rows().stream().map(r -> row(r, run.roofs())).toList());
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(m) + "\n";
    }

    static String jsonl(BenchRun run) throws IOException {
        StringBuilder s = new StringBuilder(JSON.writeValueAsString(head(run))).append('\n');
        for (BenchRow r : run.rows()) {
            s.append(JSON.writeValueAsString(row(r, run.roofs()))).append('\n');
        }
        return s.toString();
    }

    static String csv(BenchRun run) {
        StringBuilder s = new StringBuilder(
                "op,shape,dtype,unit,median_us,sd_us,flops,bytes,gflops,gb_s,flops_per_byte,peak_fraction,bound\n");
        for (BenchRow r : run.rows()) {
            boolean placed = r.bytes() > 0 && run.roofs() != null;
            s.append(quoted(r.op()))
                    .append(',')
                    .append(quoted(r.shape()))
                    .append(',')
                    .append(quoted(r.dtype()))
                    .append(',')
                    .append(r.unit())
                    .append(format(
                            ",%.4f,%.4f,%.0f,%.0f,%.4f,%.4f,%.4f,",
                            1e6 * r.median(),
                            1e6 * new Samples(r.seconds()).deviation(),
                            r.flops(),
                            r.bytes(),
                            r.gflops(),
                            r.gigabytesPerSecond(),
                            r.intensity()))
                    .append(
                            placed
                                    ? format("%.4f,", r.fraction(run.roofs()))
                                            + (r.boundByArithmetic(run.roofs()) ? "arithmetic" : "memory")
                                    : ",")
                    .append('\n');
        }
        return s.toString();
    }

    private static String quoted(String text) {
        return text.matches("[^\",\n]*") ? text : '"' + text.replace("\"", "\"\"") + '"';
    }

    static String markdown(BenchRun run, BenchComparison comparison) {
        StringBuilder s = new StringBuilder("# quern bench\n\n");
        run.machine()
                .forEach((k, v) ->
                        s.append("- ").append(k).append(": ").append(v).append('\n'));
        if (run.roofs() != null) {
            s.append(format(
                    "- measured limits: %.0f GFLOP/s, reading %.1f GB/s, copying %.1f GB/s%n",
                    run.roofs().gflops(), run.roofs().readGbs(), run.roofs().copyGbs()));
        }
        s.append("\n| op | shape | dtype | us a unit | sd | GFLOP/s | GB/s | FLOP/B | of the roof | bound |\n");
        s.append("|---|---|---|---:|---:|---:|---:|---:|---:|---|\n");
        for (BenchRow r : run.rows()) {
            s.append(format(
                    "| %s | %s | %s | %.1f | %.1f |",
                    r.op(), r.shape(), r.dtype(), 1e6 * r.median(), 1e6 * new Samples(r.seconds()).deviation()));
            s.append(
                    r.bytes() == 0 || run.roofs() == null
                            ? " | | | | |\n"
                            : format(
                                    " %.1f | %.1f | %.2f | %.0f %% | %s |%n",
                                    r.gflops(),
                                    r.gigabytesPerSecond(),
                                    r.intensity(),
                                    100 * r.fraction(run.roofs()),
                                    r.boundByArithmetic(run.roofs()) ? "arithmetic" : "memory"));
        }
        if (comparison != null) {
            s.append("\n## Against the baseline\n\n");
            comparison.text().forEach(l -> s.append("    ").append(l).append('\n'));
        }
        return s.toString();
    }

    static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values).replace("\r\n", "\n");
    }

    /**
     * Reads a json or jsonl file of results.
     *
     * @throws TensorException if it cannot be read or holds none
     */
    static BenchRun read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new TensorException(file + ": there is no such file of results");
        }
        try {
            if (Files.size(file) > LONGEST) {
                throw new TensorException(file + ": is too long for results of quern bench");
            }
            List<JsonNode> nodes = new ArrayList<>();
            try (var values = JSON.readerFor(JsonNode.class).<JsonNode>readValues(file.toFile())) {
                values.forEachRemaining(nodes::add);
            } catch (RuntimeException e) {
                throw new TensorException(file + ": is not JSON: " + e.getMessage(), e);
            }
            return of(file, nodes);
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be read as results of quern bench: " + e, e);
        }
    }

    private static BenchRun of(Path file, List<JsonNode> nodes) {
        if (nodes.isEmpty() || nodes.getFirst().path("quern_bench").asInt() != FORMAT) {
            throw new TensorException(
                    file + ": holds no results of quern bench; write them with --out FILE.json or FILE.jsonl");
        }
        JsonNode head = nodes.getFirst();
        Map<String, String> machine = new LinkedHashMap<>();
        head.path("machine")
                .properties()
                .forEach(e -> machine.put(e.getKey(), e.getValue().asText()));
        JsonNode limits = head.path("roofs");
        BenchRun.Roofs roofs = limits.isObject()
                ? new BenchRun.Roofs(
                        limits.path("gflops").asDouble(),
                        limits.path("readGbs").asDouble(),
                        limits.path("copyGbs").asDouble())
                : null;
        List<JsonNode> lines = new ArrayList<>(nodes.subList(1, nodes.size()));
        head.path("rows").forEach(lines::add);
        List<BenchRow> rows = new ArrayList<>();
        for (JsonNode n : lines) {
            rows.add(new BenchRow(
                    n.path("op").asText(),
                    n.path("shape").asText(),
                    n.path("dtype").asText(),
                    n.path("unit").asText("call"),
                    processes(file, n),
                    n.path("flops").asDouble(),
                    n.path("bytes").asDouble()));
        }
        return new BenchRun(machine, roofs, rows);
    }

    /** What each process measured; files of before there were several hold one. */
    private static List<BenchRow.Rounds> processes(Path file, JsonNode row) {
        double[] seconds = seconds(file, row, "seconds");
        double[] quick = seconds(file, row, "seconds_quartile");
        double[] least = row.has("seconds_least") ? seconds(file, row, "seconds_least") : quick;
        boolean paced = row.has("pace_compute");
        double[] compute = paced ? seconds(file, row, "pace_compute") : new double[0];
        double[] memory = paced ? seconds(file, row, "pace_memory") : new double[0];
        List<Integer> rounds = new ArrayList<>();
        row.path("rounds").forEach(n -> rounds.add(n.asInt()));
        if (rounds.isEmpty()) {
            rounds.add(quick.length);
        }
        if (rounds.stream().anyMatch(n -> n < 1)
                || rounds.stream().mapToLong(n -> n).sum() != quick.length
                || seconds.length != quick.length
                || least.length != quick.length
                || paced && (compute.length != quick.length || memory.length != quick.length)) {
            throw new TensorException(
                    file + ": the numbers of rounds of " + row.path("op").asText() + " differ");
        }
        List<BenchRow.Rounds> all = new ArrayList<>();
        int from = 0;
        for (int n : rounds) {
            int to = from + n;
            all.add(new BenchRow.Rounds(
                    Arrays.copyOfRange(seconds, from, to),
                    Arrays.copyOfRange(quick, from, to),
                    Arrays.copyOfRange(least, from, to),
                    paced ? Arrays.copyOfRange(compute, from, to) : compute,
                    paced ? Arrays.copyOfRange(memory, from, to) : memory));
            from = to;
        }
        return all;
    }

    private static double[] seconds(Path file, JsonNode row, String key) {
        JsonNode all = row.path(key);
        double[] x = new double[all.size()];
        for (int i = 0; i < x.length; i++) {
            x[i] = all.get(i).asDouble();
            if (!(x[i] > 0 && x[i] < Double.POSITIVE_INFINITY)) {
                throw new TensorException(file + ": " + key + " of "
                        + row.path("op").asText() + " must be positive numbers; found " + all.get(i));
            }
        }
        if (x.length == 0) {
            throw new TensorException(file + ": a row has no " + key + ": " + row);
        }
        return x;
    }
}
