package io.quern.transformer.text;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes a BERT tokenizer for texts of one kind: its WordPiece vocabulary has their most frequent words, and their characters, of
 * which rarer words are made. BERT's own vocabularies have parts of words too; for a small set of texts, on which those could not
 * be learned, words and characters do.
 */
public final class WordVocabulary {
    private static final List<String> SPECIAL = List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]");
    private static final String CONTINUES = "##";

    /** A model should have room for more than the special tokens and letters. */
    private static final int LEAST = 16;

    private WordVocabulary() {}

    /**
     * An uncased tokenizer of at most {@code size} tokens: five special ones, characters for up to half, then words by
     * frequency. Equal texts give equal tokenizers.
     */
    public static Tokenizer of(Iterable<String> texts, int size) {
        if (size < LEAST) {
            throw new IllegalArgumentException("a vocabulary has " + LEAST + " tokens or more, not " + size);
        }
        Map<String, Integer> words = new HashMap<>();
        Map<String, Integer> characters = new HashMap<>();
        for (String text : texts) {
            WordPiece.words(BertNormalizer.UNCASED.apply(text), word -> {
                words.merge(word, 1, Integer::sum);
                word.codePoints().forEach(c -> characters.merge(Character.toString(c), 1, Integer::sum));
            });
        }
        List<String> tokens = new ArrayList<>(SPECIAL);
        for (String c : byFrequency(characters)) {
            if (tokens.size() + 2 <= size / 2) {
                tokens.add(c);
                tokens.add(CONTINUES + c);
            }
        }
        for (String word : byFrequency(words)) {
            if (tokens.size() == size) {
                break;
            }
            if (word.codePointCount(0, word.length()) > 1 && !SPECIAL.contains(word)) {
                tokens.add(word);
            }
        }
        byte[] lines = String.join("\n", tokens).getBytes(StandardCharsets.UTF_8);
        return Tokenizer.load(
                "the vocabulary of the texts",
                file -> file.equals(TokenizerFolder.WORD_PIECES) ? new ByteArrayInputStream(lines) : null);
    }

    private static List<String> byFrequency(Map<String, Integer> counts) {
        return counts.entrySet().stream()
                .sorted(Map.Entry.<String, Integer>comparingByValue(Comparator.reverseOrder())
                        .thenComparing(Map.Entry.comparingByKey()))
                .map(Map.Entry::getKey)
                .toList();
    }
}
