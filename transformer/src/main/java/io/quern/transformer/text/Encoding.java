package io.quern.transformer.text;

/**
 * The tokens of a text, or of a pair of texts.
 *
 * @param ids of the tokens, special ones included
 * @param typeIds which of the two texts each token belongs to, as the tokenizer numbers them
 */
public record Encoding(int[] ids, int[] typeIds) {
    public int length() {
        return ids.length;
    }
}
