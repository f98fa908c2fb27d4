package io.quern.transformer.text;

/** The part of a tokenizer that knows a vocabulary: it encodes stretches of text between added tokens. */
sealed interface SubwordModel permits ByteBpe, WordPiece {
    Vocabulary vocabulary();

    /** Adds the ids of the characters [from, to) of a (normalized) text; safe to call from several threads. */
    void encode(String text, int from, int to, IntList ids);

    /** The UTF-8 that a token, of the vocabulary or added to it, contributes to a decoded text after another token. */
    byte[] bytes(String token);

    /** The same at the beginning of a text. */
    default byte[] firstBytes(String token) {
        return bytes(token);
    }
}
