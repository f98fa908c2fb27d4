package io.quern.transformer.generate;

/**
 * Follows a generation as it goes. Beam search decides at its end, so its sequences come then, each at once. Exceptions end
 * the generation and reach its caller.
 */
public interface GenerationListener {
    /** Listens to nothing. */
    GenerationListener NONE = new GenerationListener() {};

    /** A token was chosen for a sequence (from 0). */
    default void onToken(int sequence, int token) {}

    /** Text of a sequence has become certain; the pieces join to the text of the result. Never empty. */
    default void onText(int sequence, String piece) {}

    /** A sequence is complete. */
    default void onFinish(int sequence, FinishReason reason) {}

    /** How many candidates explanations list; 0 for no explanations, which cost time. */
    default int explainedCandidates() {
        return 0;
    }

    /** Why a token was chosen; before {@link #onToken}. Greedy decoding and sampling only. */
    default void onExplanation(Explanation explanation) {}
}
