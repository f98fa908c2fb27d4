package io.quern.cli;

import java.util.Arrays;

/** Repeated measurements of one thing. */
record Samples(double[] values) {
    Samples {
        if (values.length == 0) {
            throw new IllegalArgumentException("no measurements");
        }
        values = values.clone();
        Arrays.sort(values);
    }

    double median() {
        int n = values.length;
        return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    }

    /** Linear between neighbours: {@code quantile(0.5)} is the median. */
    double quantile(double p) {
        double at = p * (values.length - 1);
        int i = (int) at;
        return i + 1 == values.length ? values[i] : values[i] + (at - i) * (values[i + 1] - values[i]);
    }

    double mean() {
        return Arrays.stream(values).average().orElseThrow();
    }

    /** Standard deviation of the sample; 0 of a single value. */
    double deviation() {
        double mean = mean();
        double squares = Arrays.stream(values).map(x -> (x - mean) * (x - mean)).sum();
        return values.length == 1 ? 0 : Math.sqrt(squares / (values.length - 1));
    }
}
