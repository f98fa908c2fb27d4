package io.quern.transformer.text;

import io.quern.tensor.TensorException;

/**
 * A tokenizer file is missing, broken or of a kind that is not supported. The message names the file, what was expected
 * in it and what was found.
 */
public final class TokenizerException extends TensorException {
    public TokenizerException(String message) {
        super(message);
    }

    public TokenizerException(String message, Throwable cause) {
        super(message, cause);
    }
}
