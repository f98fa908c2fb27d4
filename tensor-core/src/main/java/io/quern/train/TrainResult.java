package io.quern.train;

/**
 * How a run ended.
 *
 * @param step updates done, in all runs together
 * @param loss training loss of the last step; NaN if this run made none
 * @param bestLoss smallest validation loss; infinite if none was measured
 * @param bestStep the step it was measured after; 0 if none was
 * @param stopped whether by {@link Trainer#stop()} before the last step
 * @param seconds spent, in all runs together
 */
public record TrainResult(long step, double loss, double bestLoss, long bestStep, boolean stopped, double seconds) {}
