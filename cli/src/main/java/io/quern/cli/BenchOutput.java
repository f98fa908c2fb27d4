package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.FileErrors;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine.Option;

/** Files that a benchmark writes, and the earlier results that it is compared with. */
final class BenchOutput {
    private static final Set<String> FORMATS = Set.of("md", "csv", "json", "jsonl", "html", "png");

    @Option(
            names = {"--out"},
            paramLabel = "FILE[,FILE]",
            split = ",",
            description =
                    "Write the results, in the format of the ending: md, csv, json, jsonl, html, or png (the roofline"
                            + " plot).")
    private List<Path> files = List.of();

    @Option(
            names = {"--baseline"},
            paramLabel = "PATH[,PATH]",
            split = ",",
            description =
                    "Compare; exit code 1 if something is slower. A folder, launcher or jar is another build, which is"
                            + " measured in turns with this one; a file holds results in json or jsonl, best written"
                            + " with --forks 5.")
    private List<Path> baseline = List.of();

    @Option(
            names = {"--threshold"},
            paramLabel = "PERCENT",
            defaultValue = "10",
            description = "How much slower is too slow. Default: ${DEFAULT-VALUE}.")
    private double threshold;

    @Option(
            names = {"--strict"},
            description = "Exit code 1 also if a row looks slower than the threshold allows, but that may be chance.")
    private boolean strict;

    private List<BenchRun> before = List.of();
    private Path build;

    /** Refuses wrong options before anything is measured. */
    void check() {
        for (Path f : files) {
            if (!FORMATS.contains(ending(f))) {
                throw new Errors.UsageException("--out: " + f + " must end in .md, .csv, .json, .jsonl, .html or .png");
            }
        }
        if (!(threshold > 0 && threshold < 1000)) {
            throw new Errors.UsageException("--threshold must be a percentage above 0, not " + threshold);
        }
        files.forEach(BenchOutput::refuseUnwritable);
        if (baseline.stream().noneMatch(Builds::isBuild)) {
            before = baseline.stream().map(BenchFiles::read).toList();
        } else if (baseline.size() == 1) {
            build = baseline.getFirst();
        } else {
            throw new Errors.UsageException("--baseline takes files of results, or one build alone");
        }
    }

    /** Not after minutes of measuring. */
    private static void refuseUnwritable(Path file) {
        Path folder = file.toAbsolutePath().getParent();
        if (Files.isDirectory(file)) {
            throw new TensorException("--out: " + file + " is a folder; name a file");
        }
        if (!Files.isDirectory(folder)) {
            throw new TensorException("--out: there is no folder " + folder + " to write " + file + " to");
        }
        if (!Files.isWritable(folder)) {
            throw new TensorException("--out: " + file + " cannot be written: the folder is read-only");
        }
    }

    /** The build to measure in turns with this one; null if there is none. */
    Path build() {
        return build;
    }

    private static String ending(Path file) {
        String name = file.getFileName().toString();
        return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    }

    Map<String, String> machine(Device device, int threads) {
        Map<String, String> m = new LinkedHashMap<>();
        m.put("date", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        m.put("quern", Version.text());
        m.put("java", System.getProperty("java.vm.version"));
        m.put("system", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        m.put("device", device + ": " + device.backend().description());
        m.put("threads", Integer.toString(threads));
        return m;
    }

    /** Whether there are files of earlier results to compare with. */
    boolean compares() {
        return !before.isEmpty();
    }

    /** As a part, such as 0.1. */
    double threshold() {
        return threshold / 100;
    }

    /** With the earlier results; null if there are none. */
    BenchComparison compare(BenchRun run) {
        return before.isEmpty() ? null : BenchComparison.of(before, run, threshold());
    }

    /** Writes the files, and the comparison if there is one; gives the exit code. */
    int finish(BenchRun run, BenchComparison comparison, Output output, boolean json) {
        for (Path f : files) {
            try {
                AtomicFile.write(f, content(f, run, comparison));
            } catch (IOException e) {
                throw new TensorException(f + ": cannot be written: " + FileErrors.reason(e), e);
            }
        }
        if (comparison == null) {
            return Main.OK;
        }
        if (json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("baseline", baseline.stream().map(Path::toString).toList());
            line.put("threshold_percent", threshold);
            line.put("ok", comparison.ok(strict));
            line.put("median_ratio", comparison.overall());
            line.put("changes", comparison.changes());
            line.put("unmatched", comparison.unmatched());
            output.json(line);
        } else {
            comparison.text().forEach(output::println);
        }
        return comparison.ok(strict) ? Main.OK : Main.FAILURE;
    }

    private byte[] content(Path file, BenchRun run, BenchComparison comparison) throws IOException {
        String ending = ending(file);
        if (ending.equals("png")) {
            return RooflineChart.png(run);
        }
        String text = switch (ending) {
            case "md" -> BenchFiles.markdown(run, comparison);
            case "csv" -> BenchFiles.csv(run);
            case "json" -> BenchFiles.json(run);
            case "jsonl" -> BenchFiles.jsonl(run);
            default -> BenchHtml.page(run, comparison);
        };
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
