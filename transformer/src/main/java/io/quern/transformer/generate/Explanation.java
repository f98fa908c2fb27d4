package io.quern.transformer.generate;

import java.util.List;

/**
 * How one token was chosen.
 *
 * @param sequence counts from 0
 * @param position of the token among the new ones, from 0
 * @param token the choice
 * @param entropy of the model's distribution, in bits
 * @param finalEntropy of the distribution after the processors, in bits
 * @param candidates the likeliest tokens in the model's distribution, and the choice, best first
 * @param effects what each processor did
 */
public record Explanation(
        int sequence,
        int position,
        int token,
        double entropy,
        double finalEntropy,
        List<Candidate> candidates,
        List<Effect> effects) {

    /**
     * A token that could have been chosen.
     *
     * @param logit the model's score
     * @param probability in the model's distribution
     * @param finalProbability after the processors; 0 if removed
     */
    public record Candidate(int token, double logit, double probability, double finalProbability) {}

    /**
     * What a processor did.
     *
     * @param processor its name
     * @param removed number of tokens that it banned
     * @param removedProbability what these had in the model's distribution
     * @param changed number of other scores that it changed
     */
    public record Effect(String processor, int removed, double removedProbability, int changed) {}
}
