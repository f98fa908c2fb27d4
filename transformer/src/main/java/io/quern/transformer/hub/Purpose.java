package io.quern.transformer.hub;

/** What a model is loaded for. */
public enum Purpose {
    /**
     * Parameters that are F32 in the file stay where they are mapped, others are converted once. None is trainable, for the
     * file cannot be written to.
     */
    INFERENCE,
    /** Every parameter has memory of its own and is trainable. */
    TRAINING
}
