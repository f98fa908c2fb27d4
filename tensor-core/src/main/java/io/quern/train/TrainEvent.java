package io.quern.train;

import java.nio.file.Path;

/** What happens in a run, for logs, progress and charts. Steps are numbered by the updates done: the first is 1. */
public sealed interface TrainEvent {
    /**
     * The run begins or goes on.
     *
     * @param step updates done by earlier runs that this one goes on from
     * @param steps updates when the run is complete
     * @param parameters number of trained numbers
     * @param unit what throughput counts, such as {@code tok}
     */
    record Started(long step, long steps, long parameters, String unit) implements TrainEvent {}

    /**
     * An update is done.
     *
     * @param loss mean over the step's batches, before the update
     * @param lr learning rate of the update
     * @param gradNorm global norm of the gradients, before clipping
     * @param itemsPerSecond throughput of this step, validation not counted
     * @param validationLoss after the update; NaN if it was not measured
     * @param seconds since the run began, earlier runs that it goes on from included
     * @param peakBytes largest device memory in use since this run began
     */
    record Step(
            long step,
            double loss,
            double lr,
            double gradNorm,
            double itemsPerSecond,
            double validationLoss,
            double seconds,
            long peakBytes)
            implements TrainEvent {
        public boolean isValidated() {
            return !Double.isNaN(validationLoss);
        }
    }

    /** The model spoke. */
    record Sampled(long step, String text) implements TrainEvent {}

    /**
     * The model is saved.
     *
     * @param folder where
     * @param best whether because its validation loss is the best so far, rather than as the latest
     */
    record Saved(long step, Path folder, boolean best) implements TrainEvent {}

    /** The run has ended, complete or stopped. */
    record Ended(TrainResult result) implements TrainEvent {}
}
