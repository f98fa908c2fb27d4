package io.quern.transformer.text;

import java.util.Objects;

/**
 * Turns ids into text as they are generated. The pieces join to exactly what {@link Tokenizer#decode(int[], boolean)}
 * gives for all ids; no piece ever ends inside a character, for tokens of a byte-level vocabulary may.
 *
 * <p>Not thread-safe: one decoder for each sequence.
 */
public final class StreamingDecoder {
    private final Tokenizer tokenizer;
    private final boolean skipSpecialTokens;
    private final Utf8Decoder utf8 = new Utf8Decoder();
    private final StringBuilder piece = new StringBuilder();
    private boolean first = true;

    public StreamingDecoder(Tokenizer tokenizer, boolean skipSpecialTokens) {
        this.tokenizer = Objects.requireNonNull(tokenizer, "tokenizer");
        this.skipSpecialTokens = skipSpecialTokens;
    }

    /** The text that has become complete with this token; often a word, empty inside a character. */
    public String push(int id) {
        if (!(skipSpecialTokens && tokenizer.isSpecial(id))) {
            utf8.push(first ? tokenizer.firstBytes(id) : tokenizer.bytes(id), piece);
            first = false;
        }
        return take();
    }

    /**
     * Ends the sequence: U+FFFD if it stopped inside a character, else nothing. The decoder can then start on a new
     * sequence.
     */
    public String flush() {
        utf8.flush(piece);
        first = true;
        return take();
    }

    private String take() {
        String text = piece.toString();
        piece.setLength(0);
        return text;
    }
}
