package io.quern.transformer.hub;

/** What a model is loaded for. */
public enum Purpose {
    /**
     * Parameters whose type is wanted as the file has it stay where they are mapped, others are converted once. None is
     * trainable, for the file cannot be written to.
     */
    INFERENCE,
    /** Every parameter is F32, has memory of its own and is trainable. */
    TRAINING
}
