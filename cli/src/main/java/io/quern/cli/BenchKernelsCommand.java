package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.Roofs;
import io.quern.tensor.op.Op;
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
            "Measure operations in shapes of GPT-2, ViT-B and MiniLM against this machine's measured limits.",
            "The fraction is that of the roof above the operation: peak arithmetic, or memory at its intensity.",
            "Where caches hold the operands it can exceed 100 %%."
        },
        sortOptions = false)
final class BenchKernelsCommand implements Callable<Integer> {
    private static final Pattern SHAPE = Pattern.compile("(\\d{1,6})x(\\d{1,6})x(\\d{1,6})");

    @Mixin
    private CommonOptions common;

    @Option(
            names = {"--op"},
            paramLabel = "NAME[,NAME]",
            split = ",",
            description = "Only these, such as matmul, gemv, attention, layer_norm. Default: all.")
    private List<String> ops;

    @Option(
            names = {"--shape"},
            paramLabel = "MxKxN",
            description = "One product of these sizes instead; with M = 1 a product with a vector.")
    private String shape;

    @Option(
            names = {"--dtype"},
            paramLabel = "TYPE",
            description = "Only this type of weights, such as f32 or bf16. Default: all.")
    private DType dtype;

    @Option(
            names = {"--quick"},
            description = "A tenth of a second for each row, after a shorter warm-up, instead of one.")
    private boolean quick;

    @Mixin
    private DeviceOptions deviceOptions;

    private final Output output;

    BenchKernelsCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        Device device = deviceOptions.open(output, common.verbose);
        List<KernelCases.Case> cases = cases(new KernelCases(device));
        Roofs roofs = Roofs.measure(deviceOptions.threads());
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("roofs", "measured");
            line.put("threads", roofs.threads());
            line.put("peak_gflops", roofs.gflops());
            line.put("read_gb_s", roofs.readGbs());
            line.put("copy_gb_s", roofs.copyGbs());
            output.json(line);
        } else {
            output.println("%d threads: multiply-adds %.0f GFLOP/s, reading %.1f GB/s, copying %.1f GB/s"
                    .formatted(roofs.threads(), roofs.gflops(), roofs.readGbs(), roofs.copyGbs()));
            output.println("%-16s %-22s %-5s %12s %9s %8s %9s  %s"
                    .formatted("op", "shape", "dtype", "us", "GFLOP/s", "GB/s", "fraction", "bound"));
        }
        for (KernelCases.Case c : cases) {
            Scope.run(() -> Tape.noGrad(() -> {
                measure(c, device, roofs);
                return null;
            }));
            device.backend().trim();
        }
        return Main.OK;
    }

    private List<KernelCases.Case> cases(KernelCases all) {
        List<KernelCases.Case> chosen;
        if (shape == null) {
            chosen = all.all();
        } else {
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
            chosen = all.products(s[0], s[1], s[2]);
        }
        List<KernelCases.Case> left = chosen.stream()
                .filter(c -> ops == null || ops.contains(c.op()))
                .filter(c -> dtype == null || c.dtype() == dtype)
                .toList();
        if (left.isEmpty()) {
            throw new Errors.UsageException("nothing to measure; operations are "
                    + chosen.stream().map(KernelCases.Case::op).distinct().toList());
        }
        return left;
    }

    private void measure(KernelCases.Case c, Device device, Roofs roofs) {
        try {
            List<Op> ops = c.ops().get();
            warmUp(ops);
            Samples seconds = run(ops, quick ? 0.1 : 1);
            Op op = ops.getFirst();
            report(c, device, roofs, seconds, op.flops() / 1e9, op.bytes() / 1e9);
        } catch (TensorException e) {
            output.note(c.op() + " " + c.shape() + " " + c.dtype() + ": " + e.getMessage());
        }
    }

    /** Until a stretch is hardly faster than the best before it: the compilers need as long as they need. */
    private void warmUp(List<Op> ops) {
        double stretch = quick ? 0.05 : 0.25;
        double best = Double.POSITIVE_INFINITY;
        int steady = 0;
        for (int i = 0; i < 20 && steady < 2; i++) {
            double now = run(ops, stretch).median();
            steady = now > 0.95 * best ? steady + 1 : 0;
            best = Math.min(best, now);
        }
    }

    /** Seconds of one operation, again and again for so long; several operations take turns. */
    private static Samples run(List<Op> ops, double budget) {
        List<Double> all = new ArrayList<>();
        long end = System.nanoTime() + (long) (budget * 1e9);
        do {
            long before = System.nanoTime();
            for (Op op : ops) {
                Scope.run(() -> Tensor.runAll(op).size());
            }
            all.add((System.nanoTime() - before) / 1e9 / ops.size());
        } while (System.nanoTime() < end);
        return new Samples(all.stream().mapToDouble(x -> x).toArray());
    }

    private void report(
            KernelCases.Case c, Device device, Roofs roofs, Samples seconds, double gflop, double gigabytes) {
        double s = seconds.median();
        // Even where nothing counts as arithmetic, bytes move.
        boolean arithmetic = gflop / gigabytes * roofs.readGbs() > roofs.gflops();
        double fraction = arithmetic ? gflop / s / roofs.gflops() : gigabytes / s / roofs.readGbs();
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("op", c.op());
            line.put("shape", c.shape());
            line.put("dtype", c.dtype().name());
            line.put("device", device.toString());
            line.put("threads", roofs.threads());
            line.put("impl", device.backend().description());
            line.put("time_us", 1e6 * s);
            line.put("time_us_sd", 1e6 * seconds.deviation());
            line.put("gflops", gflop / s);
            line.put("gb_s", gigabytes / s);
            line.put("peak_fraction", fraction);
            line.put("bound", arithmetic ? "arithmetic" : "memory");
            output.json(line);
        } else {
            output.println("%-16s %-22s %-5s %12.1f %9.1f %8.1f %8.0f%%  %s"
                    .formatted(
                            c.op(),
                            c.shape(),
                            c.dtype(),
                            1e6 * s,
                            gflop / s,
                            gigabytes / s,
                            100 * fraction,
                            arithmetic ? "arithmetic" : "memory"));
        }
    }
}
