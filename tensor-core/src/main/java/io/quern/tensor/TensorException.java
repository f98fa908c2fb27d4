package io.quern.tensor;

/**
 * Something about a tensor is wrong: shape, dtype, device, lifetime, or the file that it comes from. The message names
 * the operation, what was found, what was expected, and the way out.
 */
public class TensorException extends RuntimeException {
    public TensorException(String message) {
        super(message);
    }

    public TensorException(String message, Throwable cause) {
        super(message, cause);
    }
}
