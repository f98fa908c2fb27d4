package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WordVocabularyTest {
    private static final List<String> TEXTS =
            List.of("The cat sat. The cat ran!", "A cat, the caf\u00e9 and the cats", "Ran and sat");

    @Test
    void frequentWordsAreTokensAndOthersAreSpelled() {
        Tokenizer t = WordVocabulary.of(TEXTS, 44);
        assertTrue(t.vocabSize() <= 44);
        assertEquals(List.of("[CLS]", "the", "cat", "[SEP]"), t.tokens(t.encode("THE cat")));
        assertEquals(
                List.of("c", "##a", "##n", "##s"),
                t.tokens(t.encode("cans", false)),
                "made of characters that are known");
        assertEquals(List.of("[UNK]"), t.tokens(t.encode("cat\u03b1", false)));
        Encoding pair = t.encode("the cat", "and the", 16);
        assertEquals(List.of("[CLS]", "the", "cat", "[SEP]", "and", "the", "[SEP]"), t.tokens(pair.ids()));
        assertEquals(0, t.specialTokens().pad().orElseThrow());
    }

    @Test
    void itIsAFunctionOfTheTextsAndReadBackAsItIs(@TempDir Path folder) {
        Tokenizer t = WordVocabulary.of(TEXTS, 40);
        t.save(folder);
        Tokenizer again = Tokenizer.load(folder);
        for (Tokenizer other : List.of(again, WordVocabulary.of(TEXTS, 40))) {
            assertEquals(t.vocabSize(), other.vocabSize());
            for (String text : TEXTS) {
                assertArrayEquals(t.encode(text), other.encode(text), Arrays.toString(other.encode(text)));
            }
        }
        assertThrows(IllegalArgumentException.class, () -> WordVocabulary.of(TEXTS, 10));
    }
}
