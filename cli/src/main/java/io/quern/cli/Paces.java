package io.quern.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How the time of a row may depend on the speed of the machine: as a product of powers of what the two yardsticks took, some
 * powers of which are plausible.
 *
 * @param powers each that of the yardstick for arithmetic and that for memory; the best is the first
 */
record Paces(List<double[]> powers) {
    /** From no dependence, as of a row that a cache of its own bounds, to a full one. */
    private static final List<double[]> ALL = List.of(
            new double[] {0, 0},
            new double[] {0.5, 0},
            new double[] {1, 0},
            new double[] {0, 0.5},
            new double[] {0, 1},
            new double[] {0.5, 0.5},
            new double[] {1, 0.5},
            new double[] {0.5, 1},
            new double[] {1, 1});

    /** By how much more than the best a power may leave the rounds scattered, as a factor and in addition. */
    private static final double SCATTER = 1.15;

    private static final double NOISE = 0.003;

    /**
     * Of a process's rounds, counts the one that this part of all are below. What disturbs a round makes it slower, so this is
     * steadier than the median.
     */
    private static final double QUANTILE = 0.3;

    /**
     * Those powers are plausible by which the rounds of all processes of a build agree about as well as by the best one. A change
     * between the two does not enter.
     */
    static Paces plausible(List<BenchRow.Rounds> was, List<BenchRow.Rounds> is) {
        if (!paced(was) || !paced(is)) {
            return new Paces(ALL.subList(0, 1));
        }
        double[] scatter = ALL.stream().mapToDouble(p -> scatter(p, was, is)).toArray();
        int best = IntStream.range(0, scatter.length)
                .reduce((a, b) -> scatter[b] < scatter[a] ? b : a)
                .orElseThrow();
        List<double[]> plausible = new ArrayList<>();
        plausible.add(ALL.get(best));
        for (int i = 0; i < scatter.length; i++) {
            if (i != best && scatter[i] <= SCATTER * scatter[best] + NOISE) {
                plausible.add(ALL.get(i));
            }
        }
        return new Paces(plausible);
    }

    private static boolean paced(List<BenchRow.Rounds> processes) {
        return processes.stream().allMatch(r -> r.compute().length == r.quick().length);
    }

    /** The median distance of all rounds from the middle of their build's. */
    private static double scatter(double[] power, List<BenchRow.Rounds> was, List<BenchRow.Rounds> is) {
        double[] all = IntStream.range(0, 2)
                .mapToObj(i -> (i == 0 ? was : is)
                        .stream()
                                .flatMapToDouble(r -> Arrays.stream(relative(r, power)))
                                .toArray())
                .flatMapToDouble(x -> {
                    double middle = new Samples(x).median();
                    return Arrays.stream(x).map(v -> Math.abs(v - middle));
                })
                .toArray();
        return new Samples(all).median();
    }

    /** For each process the logarithm of its time by each plausible power. */
    List<double[]> relative(List<BenchRow.Rounds> processes) {
        return processes.stream()
                .map(r -> powers.stream()
                        .mapToDouble(p -> new Samples(relative(r, p)).quantile(QUANTILE))
                        .toArray())
                .toList();
    }

    private static double[] relative(BenchRow.Rounds r, double[] power) {
        return IntStream.range(0, r.quick().length)
                .mapToDouble(i -> Math.log(r.quick()[i])
                        - (power[0] == 0 ? 0 : power[0] * Math.log(r.compute()[i]))
                        - (power[1] == 0 ? 0 : power[1] * Math.log(r.memory()[i])))
                .toArray();
    }
}
