package io.quern.train;

/** The loss or a gradient became infinite or NaN. The parameters are as before that step. */
public final class NotFiniteException extends TrainException {
    private final long step;

    NotFiniteException(long step, String message) {
        super(message);
        this.step = step;
    }

    /** The step that was not done, counted from 1. */
    public long step() {
        return step;
    }
}
