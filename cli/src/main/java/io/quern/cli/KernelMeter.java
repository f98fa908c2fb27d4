package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.Roofs;
import io.quern.tensor.check.Yardstick;
import io.quern.tensor.op.Op;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Measures operations in rounds: every round measures all of them once, so that what disturbs the machine for a while
 * disturbs one round of each; the yardstick around each measurement tells how fast the machine was. A device that runs behind
 * the host is waited for after every few calls.
 */
final class KernelMeter implements AutoCloseable {
    /** Seconds that a few calls take together, against which waiting for the device is short. */
    private static final double GROUP = 2e-3;

    private static final int LONGEST_WARM_UP = 20;

    /** Up to so many rows there is time for more rounds, and for the compiler to have long done what it wants. */
    private static final int FEW_ROWS = 20;

    /** Seconds of warming up the first row of a process, which may begin interpreted. */
    private static final double FIRST = 1;

    /** How much time a process takes for a row. */
    enum Care {
        /** All rows: no more than must be. */
        MANY(7, 0, 1),
        FEW(15, 0.4, 2),
        /** Beside another process that measures the same rows: what both see of the machine needs no yardstick. */
        TURNS(9, 0.15, 0);

        private final int rounds;
        private final double warmUp;
        private final int yardsticks;

        Care(int rounds, double warmUp, int yardsticks) {
            this.rounds = rounds;
            this.warmUp = warmUp;
            this.yardsticks = yardsticks;
        }

        /** What so many rows allow. */
        static Care of(int rows) {
            return rows <= FEW_ROWS ? FEW : MANY;
        }

        int rounds() {
            return rounds;
        }
    }

    /**
     * What a round measured of a case: seconds of a call.
     *
     * @param pace of the machine around it; null if not measured
     * @param flops of a call
     * @param bytes that it moves at least
     */
    record Round(double median, double quartile, double least, Yardstick.Pace pace, double flops, double bytes) {}

    private final Device device;
    private final int threads;
    private final double stretch;
    private final double budget;
    private final Care care;
    private final Output output;
    private final Set<KernelCases.Case> warm = new HashSet<>();
    private Yardstick yardstick;

    KernelMeter(Device device, int threads, boolean quick, Care care, Output output) {
        this.device = device;
        this.threads = threads;
        this.stretch = quick ? 0.02 : 0.25;
        this.budget = quick ? 0.015 : 0.2;
        this.care = care;
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

    /** Measures all cases in rounds; those that the device refuses are left out and told. */
    List<BenchRow> run(List<KernelCases.Case> cases) {
        Map<KernelCases.Case, List<Round>> all = new LinkedHashMap<>();
        cases.forEach(c -> all.put(c, new ArrayList<>()));
        for (int round = 0; round < care.rounds(); round++) {
            for (KernelCases.Case c : cases) {
                if (all.containsKey(c)) {
                    try {
                        all.get(c).add(round(c));
                    } catch (TensorException e) {
                        output.note(c.op() + " " + c.shape() + " " + c.dtype() + ": " + e.getMessage());
                        all.remove(c);
                    }
                }
            }
        }
        List<BenchRow> rows = new ArrayList<>();
        all.forEach((c, rounds) -> rows.add(row(c, rounds.getFirst(), BenchRow.Rounds.of(rounds))));
        return rows;
    }

    static BenchRow row(KernelCases.Case c, Round any, BenchRow.Rounds rounds) {
        return new BenchRow(c.op(), c.shape(), c.dtype().name(), "call", List.of(rounds), any.flops(), any.bytes());
    }

    /**
     * Measures a case once; the first time it is warmed up before.
     *
     * @throws TensorException if the device refuses it
     */
    Round round(KernelCases.Case c) {
        boolean first = warm.add(c);
        try {
            return Scope.run(() -> Tape.noGrad(() -> {
                List<Op> ops = c.ops().get();
                warmUp(ops, first);
                Yardstick.Pace before = care.yardsticks > 1 ? pace() : null;
                Samples s = run(ops, budget);
                Yardstick.Pace after = care.yardsticks > 0 ? pace() : null;
                return new Round(
                        s.median(),
                        s.quantile(0.25),
                        s.quantile(0),
                        before == null ? after : before.between(after),
                        ops.getFirst().flops(),
                        ops.getFirst().bytes());
            }));
        } finally {
            device.backend().trim();
        }
    }

    /** That of the CPU says nothing of other devices. */
    private Yardstick.Pace pace() {
        if (!device.equals(Device.CPU) || !Yardstick.available()) {
            return null;
        }
        if (yardstick == null) {
            yardstick = new Yardstick(threads);
        }
        return yardstick.pace();
    }

    @Override
    public void close() {
        if (yardstick != null) {
            yardstick.close();
            yardstick = null;
        }
    }

    /** Until a stretch is hardly faster than the best before it: the compilers need as long as they need. */
    private void warmUp(List<Op> ops, boolean first) {
        if (!first) {
            run(ops, stretch / 5);
            return;
        }
        double least = warm.size() == 1 ? FIRST : care.warmUp;
        long begin = System.nanoTime();
        double best = Double.POSITIVE_INFINITY;
        int steady = 0;
        for (int i = 0; i < LONGEST_WARM_UP && steady < 2 || (System.nanoTime() - begin) / 1e9 < least; i++) {
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
