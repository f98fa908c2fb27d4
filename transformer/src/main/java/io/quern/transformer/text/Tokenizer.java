package io.quern.transformer.text;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/**
 * Turns text into token ids and back.
 *
 * <pre>{@code
 * Tokenizer tokenizer = Tokenizer.load(Path.of("gpt2"));
 * int[] ids = tokenizer.encode("Hello world");   // 15496, 995
 * String text = tokenizer.decode(ids);           // "Hello world"
 * }</pre>
 *
 * <p>Implementations are immutable and safe to use from several threads. Ids are 0 to {@link #vocabSize()} - 1.
 */
public interface Tokenizer {
    /**
     * Reads the tokenizer of a model in Hugging Face layout: {@code tokenizer.json}, or else BERT's {@code vocab.txt}, or
     * {@code vocab.json} with {@code merges.txt}; {@code tokenizer_config.json} and {@code special_tokens_map.json} add to
     * any of these. Truncation and padding that a {@code tokenizer.json} asks for are left to the caller.
     *
     * @param model the model's folder, or a {@code tokenizer.json} in it
     * @throws TokenizerException if a file is missing, broken, or of a kind that is not supported
     */
    static Tokenizer load(Path model) {
        return TokenizerFolder.load(model);
    }

    /**
     * Reads the same files from anywhere, for instance from the class path.
     *
     * @param name what to call the source in messages
     */
    static Tokenizer load(String name, FileSource files) {
        return TokenizerFolder.load(name, files);
    }

    /** The ids of a text, with the special tokens that this tokenizer puts around one. */
    default int[] encode(String text) {
        return encode(text, true);
    }

    /**
     * The ids of a text. Special tokens <em>inside</em> the text are recognised in any case. Unpaired surrogates are
     * encoded as U+FFFD.
     *
     * @param addSpecialTokens whether the special tokens that this tokenizer puts around a text are added
     */
    int[] encode(String text, boolean addSpecialTokens);

    /**
     * The tokens of a text or of a pair of texts, with the special tokens that this tokenizer puts around them.
     *
     * @param pair the second text, or null
     * @param maxTokens the most tokens, special ones included: the end of a text that is too long is left out; of two, the
     *     longer is cut down to the shorter, then both alike
     * @throws IllegalArgumentException if there is no room for the special tokens, or the tokenizer knows no pairs
     */
    Encoding encode(String text, String pair, int maxTokens);

    /** The text of some ids, special tokens included. */
    default String decode(int... ids) {
        return decode(ids, false);
    }

    /**
     * The text of some ids. Bytes that are not UTF-8, for instance an incomplete character at the end, become U+FFFD.
     * Ids from {@link #vocabSize()} on have no text: models round their number of embeddings up.
     *
     * @throws IllegalArgumentException if an id is negative
     */
    default String decode(int[] ids, boolean skipSpecialTokens) {
        Utf8Decoder utf8 = new Utf8Decoder();
        StringBuilder text = new StringBuilder((int) Math.min(1 << 20, ids.length * 4L));
        boolean first = true;
        for (int id : ids) {
            if (!(skipSpecialTokens && isSpecial(id))) {
                utf8.push(first ? firstBytes(id) : bytes(id), text);
                first = false;
            }
        }
        utf8.flush(text);
        return text.toString();
    }

    /** Decodes ids as they come. */
    default StreamingDecoder stream(boolean skipSpecialTokens) {
        return new StreamingDecoder(this, skipSpecialTokens);
    }

    /**
     * What a token contributes to a decoded text after another one, as UTF-8, in which it may begin or end inside a
     * character; nothing for ids from {@link #vocabSize()} on. The array must not be changed.
     *
     * @throws IllegalArgumentException if the id is negative
     */
    byte[] bytes(int id);

    /** As {@link #bytes}, of the first token of a text; where tokens stand for words, it has no space before it. */
    default byte[] firstBytes(int id) {
        return bytes(id);
    }

    /** The number of ids: what a model's embedding must have at least. */
    int vocabSize();

    /** The id of a token as the vocabulary writes it (byte-level BPE writes a space as U+0120). */
    OptionalInt tokenToId(String token);

    /**
     * A token as the vocabulary writes it.
     *
     * @throws IllegalArgumentException if no token has this id
     */
    String idToToken(int id);

    /** The tokens of some ids as the vocabulary writes them. */
    default List<String> tokens(int[] ids) {
        return Arrays.stream(ids).mapToObj(this::idToToken).toList();
    }

    /** Whether {@code skipSpecialTokens} leaves this id out. */
    boolean isSpecial(int id);

    /** The tokens that have a role, such as the end of a sequence. */
    SpecialTokens specialTokens();

    /** All tokens that are cut out of a text before the model sees it, special or not, by id. */
    List<AddedToken> addedTokens();

    /**
     * Writes the tokenizer into a folder as Hugging Face tokenizers and transformers read it. Each file appears whole
     * or not at all.
     *
     * @throws TokenizerException if a file cannot be written
     */
    void save(Path folder);
}
