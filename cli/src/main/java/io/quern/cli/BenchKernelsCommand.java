package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.spi.Tunable;
import io.quern.transformer.Spelling;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures operations against what the machine can do. */
@Command(
        name = "kernels",
        description = {
            "Measure every operation, in shapes of GPT-2, ViT-B and MiniLM, against this machine's measured limits.",
            "The fraction is that of the roof above the operation: peak arithmetic, or memory at its intensity.",
            "Where caches hold the operands it can exceed 100 %%, and so can products on AMX tiles, as the peak is"
                    + " that of",
            "multiply-adds on vectors. Times are medians of seven rounds over all rows."
        },
        sortOptions = false)
final class BenchKernelsCommand implements Callable<Integer> {
    private static final Pattern SHAPE = Pattern.compile("(\\d{1,6})x(\\d{1,6})x(\\d{1,6})");

    @Mixin
    private CommonOptions common;

    @Option(
            names = {"--op"},
            paramLabel = "NAME[,NAME]",
            hideParamSyntax = true,
            split = ",",
            description = "Only these, such as matmul, gemv, attention, layer_norm. Default: all.")
    private List<String> ops;

    @Option(
            names = {"--shape"},
            paramLabel = "MxKxN[,MxKxN]",
            hideParamSyntax = true,
            split = ",",
            description = "Products of these sizes instead; with M = 1 a product with a vector.")
    private List<String> shapes;

    @Option(
            names = {"--dtype"},
            paramLabel = "TYPE",
            description = "Numbers of this type, such as f32 or bf16; a quantised one measures products with a vector."
                    + " Default: f32, and weights of all types in products with a vector.")
    private DType dtype;

    @Option(
            names = {"--quick"},
            description = "Fewer shapes and a tenth of the time; under a minute on two cores.")
    private boolean quick;

    @Option(
            names = {"--save"},
            description =
                    "On a cuda device, write the fastest kernel for each class of shapes into the table that is read"
                            + " at the start; without --shape also for products of GPT-2's training and decoding.")
    private boolean save;

    @Option(
            names = {"--forks"},
            paramLabel = "N",
            defaultValue = "1",
            description = "Measure in so many processes, one after the other; a baseline is best made of five."
                    + " Default: ${DEFAULT-VALUE}.")
    private int forks;

    @Option(
            names = {"--patience"},
            paramLabel = "SECONDS",
            defaultValue = "120",
            description = "How long rows that look different, but may be so by chance, are measured in more processes;"
                    + " then they are undecided. Default: ${DEFAULT-VALUE}.")
    private double patience;

    @Option(
            names = {"--worker"},
            hidden = true,
            description = "Measure rows that stdin names, one a line.")
    private boolean worker;

    @Option(
            names = {"--care"},
            hidden = true,
            description = "As a worker: how much time to take for a row.")
    private KernelMeter.Care care;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private BenchOutput results;

    private final Output output;

    BenchKernelsCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        results.check();
        if (forks < 1 || !(patience >= 0)) {
            throw new Errors.UsageException("--forks must be 1 or more, and --patience 0 or more");
        }
        List<String> other = results.build() == null ? null : Builds.at(results.build());
        if (other != null && forks != 1) {
            throw new Errors.UsageException("--forks is not for a build as --baseline, which starts its own processes");
        }
        Device device = deviceOptions.open(output, common.verbose);
        Tunable tunable = device.backend() instanceof Tunable t ? t : null;
        if (save && tunable == null) {
            throw new Errors.UsageException("--save: " + device + " has no table of kernels; add --device cuda");
        }
        List<KernelCases.Case> cases = cases(new KernelCases(device, dtype, quick));
        KernelMeter.Care enough = care != null ? care : KernelMeter.Care.of(cases.size());
        try (KernelMeter meter = new KernelMeter(device, deviceOptions.threads(), quick, enough, output)) {
            if (worker) {
                new KernelWorker(meter, cases, output).serve();
                return Main.OK;
            }
            return measure(device, tunable, cases, meter, other);
        }
    }

    /** @param other the command of the build to measure in turns with this one; null if there is none */
    private int measure(
            Device device, Tunable tunable, List<KernelCases.Case> cases, KernelMeter meter, List<String> other)
            throws IOException {
        BenchRun.Roofs roofs = meter.roofs();
        KernelForks others = new KernelForks(arguments(Builds.self()), cases, patience, output);
        KernelForks.Turns turns = other == null ? null : others.inTurns(arguments(other), results.threshold());
        List<BenchRow> rows;
        if (turns != null) {
            rows = turns.self();
        } else {
            rows = forks == 1 ? meter.run(cases) : others.measure(forks);
        }
        if (tunable != null) {
            rows.addAll(variants(device, tunable, cases));
        }
        meter.close();
        BenchRun run = new BenchRun(results.machine(device, deviceOptions.threads()), roofs, rows);
        if (results.compares()) {
            run = others.settle(run, results::compare);
        }
        roofs = roofs.best(meter.roofs());
        run = new BenchRun(run.machine(), roofs, run.rows());
        show(run, device);
        if (save) {
            output.note("wrote the table of kernels: " + tunable.saveTable());
        }
        return results.finish(
                run, turns == null ? results.compare(run) : turns.compare(results.threshold()), output, common.json);
    }

    /** The command line of a worker that measures the same rows. */
    private List<String> arguments(List<String> program) {
        List<String> all = new ArrayList<>(program);
        all.addAll(List.of("bench", "kernels", "--worker"));
        if (quick) {
            all.add("--quick");
        }
        if (ops != null) {
            all.addAll(List.of("--op", String.join(",", ops)));
        }
        if (shapes != null) {
            all.addAll(List.of("--shape", String.join(",", shapes)));
        }
        if (dtype != null) {
            all.addAll(List.of("--dtype", dtype.name()));
        }
        all.addAll(deviceOptions.arguments());
        return all;
    }

    private void show(BenchRun run, Device device) {
        BenchRun.Roofs roofs = run.roofs();
        if (common.json) {
            print(run, device);
        } else {
            output.println("%s (%s): multiply-adds %.0f GFLOP/s, reading %.1f GB/s, copying %.1f GB/s"
                    .formatted(
                            device, device.backend().description(), roofs.gflops(), roofs.readGbs(), roofs.copyGbs()));
            output.println("%-20s %-34s %-5s %12s %7s %9s %8s %8s %9s  %s"
                    .formatted(
                            "op", "shape", "dtype", "us", "spread", "GFLOP/s", "GB/s", "FLOP/B", "fraction", "bound"));
            for (BenchRow r : run.rows()) {
                output.println("%-20s %-34s %-5s %12.1f %6.0f%% %9.1f %8.1f %8.2f %8.0f%%  %s"
                        .formatted(
                                r.op(),
                                r.shape(),
                                r.dtype(),
                                1e6 * r.median(),
                                100 * r.spread(),
                                r.gflops(),
                                r.gigabytesPerSecond(),
                                r.intensity(),
                                100 * r.fraction(roofs),
                                r.boundByArithmetic(roofs) ? "arithmetic" : "memory"));
            }
        }
    }

    /** Every kernel beside the others; into the table go also products that only it needs. */
    private List<BenchRow> variants(Device device, Tunable tunable, List<KernelCases.Case> cases) {
        KernelVariants variants = new KernelVariants(device, tunable, quick, output);
        List<KernelCases.Case> all = new ArrayList<>(cases);
        if (save && shapes == null && (ops == null || ops.contains("matmul"))) {
            all.addAll(variants.products(dtype));
        }
        return variants.measure(all);
    }

    private void print(BenchRun run, Device device) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("roofs", "measured");
        line.put("threads", deviceOptions.threads());
        line.put("peak_gflops", run.roofs().gflops());
        line.put("read_gb_s", run.roofs().readGbs());
        line.put("copy_gb_s", run.roofs().copyGbs());
        output.json(line);
        for (BenchRow r : run.rows()) {
            Map<String, Object> row = new LinkedHashMap<>(BenchFiles.row(r, run.roofs()));
            row.put("device", device.toString());
            row.put("threads", deviceOptions.threads());
            row.put("impl", device.backend().description());
            output.json(row);
        }
    }

    private List<KernelCases.Case> cases(KernelCases all) {
        if (ops != null) {
            refuseUnknown(new KernelCases(Device.CPU, null, quick)
                    .all().stream().map(KernelCases.Case::op).distinct().toList());
        }
        List<KernelCases.Case> chosen = shapes == null
                ? all.all()
                : shapes.stream()
                        .distinct()
                        .flatMap(s -> products(all, s).stream())
                        .toList();
        List<KernelCases.Case> left =
                chosen.stream().filter(c -> ops == null || ops.contains(c.op())).toList();
        if (left.isEmpty()) {
            throw new Errors.UsageException("nothing to measure; operations are "
                    + chosen.stream().map(KernelCases.Case::op).distinct().toList());
        }
        return left;
    }

    private void refuseUnknown(List<String> known) {
        for (String op : ops) {
            if (!known.contains(op)) {
                throw new Errors.UsageException("--op: there is no operation '" + op + "'"
                        + Spelling.nearest(op, known)
                                .map(n -> "; did you mean " + n + "?")
                                .orElse("")
                        + "\nThe operations are " + String.join(", ", known));
            }
        }
    }

    private static List<KernelCases.Case> products(KernelCases all, String shape) {
        Matcher m = SHAPE.matcher(shape);
        if (!m.matches()) {
            throw new Errors.UsageException("--shape must be three sizes such as 512x768x2304, not " + shape);
        }
        int[] s = new int[3];
        for (int i = 0; i < 3; i++) {
            s[i] = Integer.parseInt(m.group(i + 1));
            if (s[i] == 0) {
                throw new Errors.UsageException("--shape: sizes must be 1 or more");
            }
        }
        return all.products(s[0], s[1], s[2]);
    }
}
