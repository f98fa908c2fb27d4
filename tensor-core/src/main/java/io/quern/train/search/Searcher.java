package io.quern.train.search;

import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/** Chooses the next point; a function of the observations and the seed, so that a search can be resumed anywhere. */
@FunctionalInterface
public interface Searcher {
    /** The point to try after these, in the order in which they were tried; empty when there is none left. */
    Optional<double[]> next(List<Observation> before);

    /** All combinations of {@code points} values of each range and of all choices; the last dimension runs fastest. */
    static Searcher grid(SearchSpace space, int points) {
        List<double[]> axes =
                space.dimensions().stream().map(d -> d.grid(points)).toList();
        long size = axes.stream().mapToLong(a -> a.length).reduce(1, Math::multiplyExact);
        return before -> {
            long index = before.size();
            if (index >= size) {
                return Optional.empty();
            }
            double[] point = new double[axes.size()];
            for (int i = point.length - 1; i >= 0; i--) {
                point[i] = axes.get(i)[(int) (index % axes.get(i).length)];
                index /= axes.get(i).length;
            }
            return Optional.of(point);
        };
    }

    /** Independent uniform points. Source: Bergstra and Bengio, "Random search for hyper-parameter optimization" (2012). */
    static Searcher random(SearchSpace space, long seed) {
        return before -> Optional.of(uniform(space, random(seed, before.size())));
    }

    /** Random numbers of the trial with this index. */
    static SplittableRandom random(long seed, int index) {
        return new SplittableRandom(seed * 0x9E3779B97F4A7C15L + index);
    }

    private static double[] uniform(SearchSpace space, SplittableRandom random) {
        return space.dimensions().stream().mapToDouble(d -> random.nextDouble()).toArray();
    }
}
