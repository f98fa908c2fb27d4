package io.quern.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * A measured thing.
 *
 * @param op such as {@code matmul}, or a test such as {@code tg128}
 * @param shape or the model
 * @param dtype of the numbers or weights
 * @param unit what the times are of: {@code call} or {@code token}
 * @param processes what each process that measured it saw, one at least
 * @param flops floating-point operations of a unit; 0 if they are not counted
 * @param bytes that a unit moves at least; 0 if they are not counted
 */
record BenchRow(
        String op, String shape, String dtype, String unit, List<Rounds> processes, double flops, double bytes) {

    /**
     * What one process measured, an entry a round.
     *
     * @param seconds the median
     * @param quick the lower quartile, which others' work on the machine touches less
     * @param least the least, which it touches least of all
     * @param compute what the yardstick for arithmetic took around it, see {@link io.quern.tensor.check.Yardstick}; empty
     *     without one
     * @param memory what that for memory took; empty without one
     */
    record Rounds(double[] seconds, double[] quick, double[] least, double[] compute, double[] memory) {
        /** Without a yardstick. */
        Rounds(double[] seconds, double[] quick) {
            this(seconds, quick, quick, new double[0], new double[0]);
        }

        /** As some measurements tell it. */
        static Rounds of(List<KernelMeter.Round> all) {
            boolean paced = all.stream().allMatch(r -> r.pace() != null);
            return new Rounds(
                    all.stream().mapToDouble(KernelMeter.Round::median).toArray(),
                    all.stream().mapToDouble(KernelMeter.Round::quartile).toArray(),
                    all.stream().mapToDouble(KernelMeter.Round::least).toArray(),
                    all.stream()
                            .filter(r -> paced)
                            .mapToDouble(r -> r.pace().compute())
                            .toArray(),
                    all.stream()
                            .filter(r -> paced)
                            .mapToDouble(r -> r.pace().memory())
                            .toArray());
        }
    }

    BenchRow {
        processes = List.copyOf(processes);
        if (processes.isEmpty()) {
            throw new IllegalArgumentException(op + " " + shape + ": no measurements");
        }
    }

    /** Of a single process, without a yardstick. */
    BenchRow(
            String op,
            String shape,
            String dtype,
            String unit,
            double[] seconds,
            double[] quick,
            double flops,
            double bytes) {
        this(op, shape, dtype, unit, List.of(new Rounds(seconds, quick)), flops, bytes);
    }

    /** With what one more process measured. */
    BenchRow and(Rounds more) {
        List<Rounds> all = new ArrayList<>(processes);
        all.add(more);
        return new BenchRow(op, shape, dtype, unit, all, flops, bytes);
    }

    /** The median of every round of every process. */
    double[] seconds() {
        return all(Rounds::seconds);
    }

    /** The lower quartile of every round of every process. */
    double[] quick() {
        return all(Rounds::quick);
    }

    /** One quantity of all rounds. */
    double[] all(Function<Rounds, double[]> what) {
        return processes.stream().map(what).flatMapToDouble(Arrays::stream).toArray();
    }

    /** What names the same thing in another run. */
    String key() {
        return op + " " + shape + " " + dtype;
    }

    /** Median of the rounds, in seconds. */
    double median() {
        return new Samples(seconds()).median();
    }

    double gflops() {
        return flops / median() / 1e9;
    }

    double gigabytesPerSecond() {
        return bytes / median() / 1e9;
    }

    /** Operations a byte. */
    double intensity() {
        return bytes == 0 ? 0 : flops / bytes;
    }

    /** Whether arithmetic bounds it and not memory. Even where nothing counts as arithmetic, bytes move. */
    boolean boundByArithmetic(BenchRun.Roofs roofs) {
        return intensity() * roofs.readGbs() > roofs.gflops();
    }

    /** The part of the roof above it; more than 1 where caches hold the operands. */
    double fraction(BenchRun.Roofs roofs) {
        return boundByArithmetic(roofs) ? gflops() / roofs.gflops() : gigabytesPerSecond() / roofs.readGbs();
    }

    /** The spread of the middle half of the rounds' medians, as a part of their median. */
    double spread() {
        Samples rounds = new Samples(seconds());
        return (rounds.quantile(0.75) - rounds.quantile(0.25)) / rounds.median();
    }
}
