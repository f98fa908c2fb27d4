package io.quern.transformer.generate;

/**
 * A rule that changes the scores of the next token before it is chosen: logits in greedy decoding and sampling, logarithms
 * of probabilities in beam search. One object serves one run at a time; it may keep scratch memory.
 */
public interface LogitsProcessor {
    /** What explanations call it. */
    String name();

    /**
     * Changes the scores in place.
     *
     * @param scores one for each token id; negative infinity bans a token
     * @param tokens what the next token follows
     */
    void process(float[] scores, TokenSequence tokens);
}
