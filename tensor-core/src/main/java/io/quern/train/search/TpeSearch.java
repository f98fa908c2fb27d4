package io.quern.train.search;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * Bayesian search by the tree-structured Parzen estimator: the density of the good observations over that of the others is,
 * up to a monotone map, the expected improvement; of {@link #CANDIDATES} points drawn from the good ones' density the one
 * with the largest ratio is tried next. Dimensions are taken to be independent. Source: Bergstra et al., "Algorithms for
 * hyper-parameter optimization" (2011), sections 4 and 4.2.
 */
public final class TpeSearch implements Searcher {
    /** Points compared for each trial, as in the paper's successor hyperopt. */
    static final int CANDIDATES = 24;

    /** The part of the observations that counts as good. */
    private static final double GOOD = 0.25;

    private final SearchSpace space;
    private final long seed;
    private final int atRandom;

    /**
     * @param atRandom trials before the first that is chosen by the estimator
     */
    public TpeSearch(SearchSpace space, long seed, int atRandom) {
        if (atRandom < 2) {
            throw new IllegalArgumentException("tpe needs 2 random trials or more, not " + atRandom);
        }
        this.space = space;
        this.seed = seed;
        this.atRandom = atRandom;
    }

    @Override
    public Optional<double[]> next(List<Observation> before) {
        if (before.size() < atRandom) {
            return Searcher.random(space, seed).next(before);
        }
        List<Observation> sorted = before.stream()
                .sorted(Comparator.comparingDouble(o -> Double.isNaN(o.loss()) ? Double.POSITIVE_INFINITY : o.loss()))
                .toList();
        int good = Math.max(1, (int) Math.ceil(GOOD * sorted.size()));
        SplittableRandom random = Searcher.random(seed, before.size());
        double[] point = new double[space.dimensions().size()];
        for (int i = 0; i < point.length; i++) {
            point[i] = best(i, sorted.subList(0, good), sorted.subList(good, sorted.size()), random);
        }
        return Optional.of(point);
    }

    private double best(int i, List<Observation> good, List<Observation> others, SplittableRandom random) {
        Dimension d = space.dimensions().get(i);
        Density likely = density(d, i, good);
        Density unlikely = density(d, i, others);
        double best = Double.NaN;
        double most = Double.NEGATIVE_INFINITY;
        for (int c = 0; c < CANDIDATES; c++) {
            double x = likely.draw(random);
            double ratio = Math.log(likely.at(x)) - Math.log(unlikely.at(x));
            if (ratio > most) {
                most = ratio;
                best = x;
            }
        }
        return best;
    }

    private static Density density(Dimension d, int i, List<Observation> from) {
        double[] places = from.stream().mapToDouble(o -> o.point()[i]).toArray();
        return d.scale() == Dimension.Scale.CHOICE ? new Categories(d, places) : new Parzen(places);
    }

    private interface Density {
        double at(double x);

        double draw(SplittableRandom random);
    }

    /** Counts of the choices, each begun with one. */
    private static final class Categories implements Density {
        private final Dimension d;
        private final double[] weights;

        Categories(Dimension d, double[] places) {
            this.d = d;
            weights = new double[d.choices().size()];
            Arrays.fill(weights, 1.0 / (places.length + weights.length));
            for (double p : places) {
                weights[d.category(p)] += 1.0 / (places.length + weights.length);
            }
        }

        @Override
        public double at(double x) {
            return weights[d.category(x)];
        }

        @Override
        public double draw(SplittableRandom random) {
            double u = random.nextDouble();
            int k = 0;
            while (k < weights.length - 1 && u >= weights[k]) {
                u -= weights[k++];
            }
            return (k + 0.5) / weights.length;
        }
    }

    /**
     * A normal distribution, cut off at 0 and 1, around each place, and the prior of mean and deviation 0.5 and 1. A
     * deviation is the larger distance to the neighbours, between 1 / (1 + n) and 1.
     */
    private static final class Parzen implements Density {
        private final double[] means;
        private final double[] deviations;

        Parzen(double[] places) {
            means = Arrays.copyOf(places, places.length + 1);
            means[places.length] = 0.5;
            Arrays.sort(means);
            deviations = new double[means.length];
            boolean prior = false;
            for (int k = 0; k < means.length; k++) {
                double left = k == 0 ? means[k] : means[k] - means[k - 1];
                double right = k == means.length - 1 ? 1 - means[k] : means[k + 1] - means[k];
                deviations[k] = Math.clamp(Math.max(left, right), 1.0 / (1 + means.length), 1);
                if (means[k] == 0.5 && !prior) {
                    deviations[k] = 1;
                    prior = true;
                }
            }
        }

        @Override
        public double at(double x) {
            double sum = 0;
            for (int k = 0; k < means.length; k++) {
                double z = (x - means[k]) / deviations[k];
                sum += Math.exp(-z * z / 2) / deviations[k] / inside(k);
            }
            return sum / means.length / Math.sqrt(2 * Math.PI);
        }

        /** The probability of [0, 1] under the normal distribution of an observation. */
        private double inside(int k) {
            return cumulative((1 - means[k]) / deviations[k]) - cumulative(-means[k] / deviations[k]);
        }

        /** The logistic approximation of Bowling et al. (2009), off by 1.4e-4 at most. */
        private static double cumulative(double z) {
            return 1 / (1 + Math.exp(-0.07056 * z * z * z - 1.5976 * z));
        }

        @Override
        public double draw(SplittableRandom random) {
            int k = random.nextInt(means.length);
            while (true) {
                double x = means[k] + deviations[k] * random.nextGaussian();
                if (x >= 0 && x <= 1) {
                    return x;
                }
            }
        }
    }
}
