package io.quern.transformer.generate;

import io.quern.tensor.Rng;

/** Chooses a token by its score. */
final class Sampler {
    private double[] weights = new double[0];

    /** The largest score, the first of equals; -1 if all are banned. */
    static int argmax(float[] scores) {
        int best = -1;
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < scores.length; i++) {
            if (scores[i] > max) {
                max = scores[i];
                best = i;
            }
        }
        return best;
    }

    /** A token drawn with the probabilities of the softmax, by one number of {@code rng}; -1 if all are banned. */
    int draw(float[] scores, Rng rng) {
        int best = argmax(scores);
        if (best < 0) {
            return -1;
        }
        if (weights.length < scores.length) {
            weights = new double[scores.length];
        }
        double sum = softmax(scores, scores[best], weights);
        double left = rng.nextDouble() * sum;
        int last = best;
        for (int i = 0; i < scores.length; i++) {
            if (weights[i] > 0) {
                left -= weights[i];
                last = i;
                if (left < 0) {
                    return i;
                }
            }
        }
        // Rounding: the weights of a sum do not always subtract to nothing.
        return last;
    }

    /** Writes exp(score - max) and gives their sum. */
    static double softmax(float[] scores, float max, double[] weights) {
        double sum = 0;
        for (int i = 0; i < scores.length; i++) {
            weights[i] = scores[i] == Float.NEGATIVE_INFINITY ? 0 : Math.exp(scores[i] - max);
            sum += weights[i];
        }
        return sum;
    }
}
