package io.quern.transformer.text;

import java.util.Objects;

/**
 * A token that is cut out of a text before the model sees it, as in the list {@code added_tokens} of a
 * {@code tokenizer.json}.
 *
 * @param id the token's id
 * @param content the text that stands for it
 * @param singleWord whether it counts only where no word character touches it
 * @param lstrip whether it swallows the white space before it
 * @param rstrip whether it swallows the white space after it
 * @param normalized whether it is looked for after normalization instead of before
 * @param special whether decoding may leave it out ({@code skipSpecialTokens})
 */
public record AddedToken(
        int id,
        String content,
        boolean singleWord,
        boolean lstrip,
        boolean rstrip,
        boolean normalized,
        boolean special) {
    public AddedToken {
        Objects.requireNonNull(content, "content");
    }

    /** A special token without any further condition, as {@code <|endoftext|>} is one. */
    public static AddedToken special(int id, String content) {
        return new AddedToken(id, content, false, false, false, false, true);
    }

    AddedToken asSpecial() {
        return special ? this : new AddedToken(id, content, singleWord, lstrip, rstrip, normalized, true);
    }
}
