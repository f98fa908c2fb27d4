package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.Roofs;
import io.quern.tensor.op.Op;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Measures operations in rounds: every round measures all of them once, so that what disturbs the machine for a while
 * disturbs one round of each. A device that runs behind the host is waited for after every few calls.
 */
final class KernelMeter {
    /** Seconds that a few calls take together, against which waiting for the device is short. */
    private static final double GROUP = 2e-3;

    private static final int LONGEST_WARM_UP = 20;

    private static final int REPEATS = 3;
    private static final double DISTURBED = 1.1;

    private final Device device;
    private final int threads;
    private final int rounds;
    private final double stretch;
    private final double budget;
    private final Output output;

    KernelMeter(Device device, int threads, boolean quick, Output output) {
        this.device = device;
        this.threads = threads;
        this.rounds = 7;
        this.stretch = quick ? 0.02 : 0.25;
        this.budget = quick ? 0.015 : 0.2;
        this.output = output;
    }

    /** The limits of the device, measured now. */
    BenchRun.Roofs roofs() {
        if (device.equals(Device.CPU)) {
            Roofs r = Roofs.measure(threads);
            return new BenchRun.Roofs(r.gflops(), r.readGbs(), r.copyGbs());
        }
        return Scope.run(() -> Tape.noGrad(() -> {
            double copy = 0;
            double peak = 0;
            // Larger until a call takes long enough to be measured; the largest are the best.
            for (int n = 256; n <= 8192; n *= 2) {
                int size = n;
                double[] best = Scope.run(() -> {
                    Tensor a = Tensor.full(device, DType.F32, Shape.of(size, size), 1);
                    double product = shortest(() -> a.matmul(a));
                    Tensor long1 = Tensor.full(device, DType.F32, Shape.of(16, size, size), 1);
                    double moved = shortest(long1::copy);
                    return new double[] {2.0 * size * size * size / product, 2.0 * 64 * size * size / moved, product};
                });
                peak = Math.max(peak, best[0] / 1e9);
                copy = Math.max(copy, best[1] / 1e9);
                if (best[2] > 0.02) {
                    break;
                }
            }
            return new BenchRun.Roofs(peak, copy, copy);
        }));
    }

    private double shortest(java.util.function.Supplier<Tensor> work) {
        double best = Double.POSITIVE_INFINITY;
        for (int i = 0; i < 4; i++) {
            long before = System.nanoTime();
            Scope.run(() -> {
                work.get();
                return 0;
            });
            await();
            best = Math.min(best, (System.nanoTime() - before) / 1e9);
        }
        return best;
    }

    /** Measures all cases; those that the device refuses are left out and told. */
    List<BenchRow> run(List<KernelCases.Case> cases) {
        double[][] medians = new double[cases.size()][rounds];
        double[][] quartiles = new double[cases.size()][rounds];
        double[][] costs = new double[cases.size()][];
        double[] best = new double[cases.size()];
        Arrays.fill(best, Double.POSITIVE_INFINITY);
        for (int round = 0; round < rounds; round++) {
            for (int i = 0; i < cases.size(); i++) {
                if (round > 0 && costs[i] == null) {
                    continue;
                }
                KernelCases.Case c = cases.get(i);
                boolean first = round == 0;
                double before = best[i];
                try {
                    double[] cost = new double[2];
                    Samples s = Scope.run(() -> Tape.noGrad(() -> {
                        List<Op> ops = c.ops().get();
                        cost[0] = ops.getFirst().flops();
                        cost[1] = ops.getFirst().bytes();
                        warmUp(ops, first);
                        return undisturbed(ops, before);
                    }));
                    costs[i] = cost;
                    medians[i][round] = s.median();
                    quartiles[i][round] = s.quantile(0.25);
                    best[i] = Math.min(best[i], quartiles[i][round]);
                } catch (TensorException e) {
                    output.note(c.op() + " " + c.shape() + " " + c.dtype() + ": " + e.getMessage());
                }
                device.backend().trim();
            }
        }
        List<BenchRow> rows = new ArrayList<>();
        for (int i = 0; i < cases.size(); i++) {
            KernelCases.Case c = cases.get(i);
            if (costs[i] != null) {
                rows.add(new BenchRow(
                        c.op(),
                        c.shape(),
                        c.dtype().name(),
                        "call",
                        medians[i],
                        quartiles[i],
                        costs[i][0],
                        costs[i][1]));
            }
        }
        return rows;
    }

    /** Measures again, a few times, while it is much slower than in the best round before: then something disturbs it. */
    private Samples undisturbed(List<Op> ops, double best) {
        Samples s = run(ops, budget);
        for (int i = 0; i < REPEATS && s.quantile(0.25) > DISTURBED * best; i++) {
            Samples again = run(ops, budget);
            s = again.quantile(0.25) < s.quantile(0.25) ? again : s;
        }
        return s;
    }

    /** Until a stretch is hardly faster than the best before it: the compilers need as long as they need. */
    private void warmUp(List<Op> ops, boolean first) {
        if (!first) {
            run(ops, stretch / 5);
            return;
        }
        double best = Double.POSITIVE_INFINITY;
        int steady = 0;
        for (int i = 0; i < LONGEST_WARM_UP && steady < 2; i++) {
            double now = run(ops, stretch).median();
            steady = now > 0.95 * best ? steady + 1 : 0;
            best = Math.min(best, now);
        }
    }

    /** Seconds of one operation, again and again for so long; several operations take turns. */
    private Samples run(List<Op> ops, double seconds) {
        double[] all = new double[64];
        int n = 0;
        int calls = 1;
        long end = System.nanoTime() + (long) (seconds * 1e9);
        do {
            long before = System.nanoTime();
            for (int k = 0; k < calls; k++) {
                for (Op op : ops) {
                    Scope.run(() -> Tensor.runAll(op).size());
                }
            }
            await();
            double took = (System.nanoTime() - before) / 1e9;
            if (!device.equals(Device.CPU) && took < GROUP && calls < 1 << 16) {
                calls *= 2;
                continue;
            }
            if (n == all.length) {
                all = Arrays.copyOf(all, 2 * n);
            }
            all[n++] = took / calls / ops.size();
        } while (n == 0 || System.nanoTime() < end);
        return new Samples(Arrays.copyOf(all, n));
    }

    /** Until the device has done what was started; the CPU has when a call returns. */
    private void await() {
        if (!device.equals(Device.CPU)) {
            Scope.run(() -> Tensor.zeros(device, DType.I32, Shape.of(1)).toInts());
        }
    }
}
