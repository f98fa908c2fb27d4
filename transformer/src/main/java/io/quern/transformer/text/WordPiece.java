package io.quern.transformer.text;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * BERT's WordPiece: a text is cut at white space and around each punctuation mark, and each word becomes the longest
 * token that it begins with, then the longest that continues it, and so on. A word that does not come out even is
 * unknown as a whole.
 *
 * <p>Source: Devlin et al. (2019) and its code; options as in Hugging Face tokenizers' {@code WordPiece} and
 * {@code BertPreTokenizer}.
 */
final class WordPiece implements SubwordModel {
    /**
     * Options of the model and its decoder.
     *
     * @param unkToken stands for a word that cannot be encoded
     * @param prefix begins the tokens that continue a word
     * @param maxChars a word of more characters is unknown
     * @param decodedPrefix what decoding removes to join a token to the one before; null: it joins none
     * @param cleanup whether decoding takes away the space before punctuation marks and English contractions
     */
    record Options(String unkToken, String prefix, int maxChars, String decodedPrefix, boolean cleanup) {
        static final Options BERT = new Options("[UNK]", "##", 100, "##", true);
    }

    private final Vocabulary vocabulary;
    private final Options options;
    private final int unkId;
    private final Pieces beginnings;
    private final Pieces continuations;

    /** Ids by the text that a token stands for, and the length of the longest. */
    private record Pieces(Map<String, Integer> ids, int longest) {
        static Pieces of(Map<String, Integer> ids) {
            return new Pieces(
                    ids, ids.keySet().stream().mapToInt(String::length).max().orElse(0));
        }
    }

    private WordPiece(Vocabulary vocabulary, Options options, int unkId) {
        this.vocabulary = vocabulary;
        this.options = options;
        this.unkId = unkId;
        Map<String, Integer> all = HashMap.newHashMap(vocabulary.size());
        Map<String, Integer> inner = new HashMap<>();
        for (int id = 0; id < vocabulary.size(); id++) {
            String token = vocabulary.token(id);
            all.put(token, id);
            if (token.startsWith(options.prefix())) {
                inner.put(token.substring(options.prefix().length()), id);
            }
        }
        beginnings = Pieces.of(all);
        continuations = Pieces.of(inner);
    }

    /** @throws TokenizerException if the unknown token is not in the vocabulary */
    static WordPiece of(Vocabulary vocabulary, Options options, String source) {
        int unk = vocabulary.id(options.unkToken());
        if (unk < 0) {
            throw new TokenizerException(source + ": the unknown token " + Vocabulary.quote(options.unkToken())
                    + " is not in the vocabulary");
        }
        return new WordPiece(vocabulary, options, unk);
    }

    @Override
    public Vocabulary vocabulary() {
        return vocabulary;
    }

    Options options() {
        return options;
    }

    @Override
    public void encode(String text, int from, int to, IntList ids) {
        split(text, from, to, (start, end) -> word(text, start, end, ids));
    }

    /** What is to become of a stretch of a text. */
    private interface Stretch {
        void accept(int from, int to);
    }

    /** Gives the words of a normalised text to {@code action}. */
    static void words(String text, Consumer<String> action) {
        split(text, 0, text.length(), (from, to) -> action.accept(text.substring(from, to)));
    }

    private static void split(String text, int from, int to, Stretch action) {
        int start = from; // of the word
        for (int i = from; i < to; ) {
            int c = text.codePointAt(i);
            int next = i + Character.charCount(c);
            boolean space = CharKind.of(c) == CharKind.SPACE;
            if (space || isPunctuation(c)) {
                if (i > start) {
                    action.accept(start, i);
                }
                if (!space) {
                    action.accept(i, next);
                }
                start = next;
            }
            i = next;
        }
        if (to > start) {
            action.accept(start, to);
        }
    }

    /** All of ASCII that is neither letter, number nor space, and Unicode's punctuation. */
    static boolean isPunctuation(int c) {
        if (c < 0x80) {
            return c > ' ' && c < 0x7F && CharKind.of(c) == CharKind.OTHER;
        }
        return switch (Unicode8.type(c)) {
            case Character.CONNECTOR_PUNCTUATION,
                    Character.DASH_PUNCTUATION,
                    Character.START_PUNCTUATION,
                    Character.END_PUNCTUATION,
                    Character.INITIAL_QUOTE_PUNCTUATION,
                    Character.FINAL_QUOTE_PUNCTUATION,
                    Character.OTHER_PUNCTUATION -> true;
            default -> false;
        };
    }

    private void word(String text, int from, int to, IntList ids) {
        if (to - from > options.maxChars() && text.codePointCount(from, to) > options.maxChars()) {
            ids.add(unkId);
            return;
        }
        int before = ids.size();
        for (int start = from; start < to; ) {
            Pieces pieces = start == from ? beginnings : continuations;
            int end = Math.min(to, start + pieces.longest());
            Integer id = null;
            while (end > start && id == null) {
                id = pieces.ids().get(text.substring(start, end));
                end -= id == null ? 1 : 0;
            }
            if (id == null) {
                ids.truncate(before);
                ids.add(unkId);
                return;
            }
            ids.add(id);
            start = end;
        }
    }

    @Override
    public byte[] bytes(String token) {
        String prefix = options.decodedPrefix();
        String text = prefix != null && token.startsWith(prefix) ? token.substring(prefix.length()) : " " + token;
        return utf8(text);
    }

    @Override
    public byte[] firstBytes(String token) {
        return utf8(token);
    }

    private byte[] utf8(String text) {
        return (options.cleanup() ? clean(text) : text).getBytes(StandardCharsets.UTF_8);
    }

    private static String clean(String text) {
        return text.replace(" .", ".")
                .replace(" ?", "?")
                .replace(" !", "!")
                .replace(" ,", ",")
                .replace(" ' ", "'")
                .replace(" n't", "n't")
                .replace(" 'm", "'m")
                .replace(" do not", " don't")
                .replace(" 's", "'s")
                .replace(" 've", "'ve")
                .replace(" 're", "'re");
    }
}
