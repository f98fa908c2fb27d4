package io.quern.transformer.generate;

import java.util.List;

/**
 * What came of a request.
 *
 * @param sequences best first in beam search
 * @param promptTokens number of tokens of the prompt
 * @param timings how long it took
 */
public record GenerationResult(List<GeneratedSequence> sequences, int promptTokens, Timings timings) {
    public GenerationResult {
        sequences = List.copyOf(sequences);
    }

    /** The first sequence. */
    public GeneratedSequence first() {
        return sequences.getFirst();
    }

    /**
     * Durations of a generation.
     *
     * @param prefillSeconds for the prompt
     * @param prefillTokens of the prompt
     * @param decodeSeconds for everything after it
     * @param decodeTokens that went through the model then, those of all sequences or beams together
     */
    public record Timings(double prefillSeconds, int prefillTokens, double decodeSeconds, long decodeTokens) {
        /** Prompt tokens per second; 0 if nothing was measured. */
        public double prefillTokensPerSecond() {
            return prefillSeconds > 0 ? prefillTokens / prefillSeconds : 0;
        }

        /** New tokens per second; 0 if there was none after the first. */
        public double decodeTokensPerSecond() {
            return decodeSeconds > 0 ? decodeTokens / decodeSeconds : 0;
        }
    }
}
