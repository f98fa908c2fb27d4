package io.quern.train;

import io.quern.tensor.TensorException;

/** A run cannot go on, or cannot be resumed. The message names the step or the file, what is wrong and the way out. */
public class TrainException extends TensorException {
    public TrainException(String message) {
        super(message);
    }

    public TrainException(String message, Throwable cause) {
        super(message, cause);
    }
}
