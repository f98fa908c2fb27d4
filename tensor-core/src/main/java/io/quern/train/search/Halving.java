package io.quern.train.search;

import java.util.ArrayList;
import java.util.List;

/**
 * Successive halving: all trials are trained a little, the best of them longer, until the last ones are trained whole.
 * Source: Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization" (2016).
 *
 * @param steps updates after which a trial is compared, ascending; the last is the whole training
 * @param factor of each round the best {@code 1 / factor} go on, at least one
 */
public record Halving(List<Long> steps, int factor) {
    /**
     * Rounds of a training of {@code steps} updates, each {@code factor} times as long as the one before it.
     *
     * @throws IllegalArgumentException if the first would have no update
     */
    public static Halving of(long steps, int factor, int rounds) {
        if (factor < 2 || rounds < 2) {
            throw new IllegalArgumentException(
                    "halving needs a factor and rounds of 2 or more, not " + factor + " and " + rounds);
        }
        List<Long> all = new ArrayList<>();
        long first = steps / (long) Math.pow(factor, rounds - 1.0);
        if (first < 1) {
            throw new IllegalArgumentException(
                    steps + " updates cannot be divided " + (rounds - 1) + " times by " + factor);
        }
        for (int i = 0; i < rounds - 1; i++) {
            all.add(first * (long) Math.pow(factor, i));
        }
        all.add(steps);
        return new Halving(List.copyOf(all), factor);
    }

    /** Of so many trials in a round, how many go on. */
    public int survivors(int trials) {
        return Math.max(1, trials / factor);
    }
}
