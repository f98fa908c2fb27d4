package io.quern.transformer.generate;

import java.util.Locale;

/** Why a sequence ended. */
public enum FinishReason {
    /** The model gave an end token. */
    EOS,
    /** The text contains a stop string. */
    STOP,
    /** The token limit or the end of the context is reached. */
    LENGTH,
    /** The caller cancelled, or the thread was interrupted. */
    CANCELLED;

    /** The word in JSON output. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
