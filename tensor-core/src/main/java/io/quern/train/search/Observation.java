package io.quern.train.search;

/**
 * What a point gave.
 *
 * @param point places in [0, 1]
 * @param loss smaller is better; NaN where training failed, which is worse than any loss
 */
public record Observation(double[] point, double loss) {}
