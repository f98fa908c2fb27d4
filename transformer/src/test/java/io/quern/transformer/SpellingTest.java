package io.quern.transformer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SpellingTest {
    private static final List<String> NAMES = List.of("generate", "logits", "train", "merge", "gpt2-tiny", "Gpt2");

    @Test
    void oneWrongLetterInThreeIsForgiven() {
        assertEquals(Optional.of("generate"), Spelling.nearest("genarate", NAMES));
        assertEquals(Optional.of("train"), Spelling.nearest("trian", NAMES));
        assertEquals(Optional.of("gpt2-tiny"), Spelling.nearest("gpt2-tinny", NAMES));
        assertEquals(Optional.of("Gpt2"), Spelling.nearest("gtp2", NAMES));
    }

    @Test
    void theBeginningIsEnough() {
        assertEquals(Optional.of("generate"), Spelling.nearest("gen", NAMES));
        assertEquals(Optional.empty(), Spelling.nearest("ge", NAMES));
    }

    @Test
    void whatIsFarIsNotSuggested() {
        assertEquals(Optional.empty(), Spelling.nearest("bogus", NAMES));
        assertEquals(Optional.empty(), Spelling.nearest("", NAMES));
        assertEquals(Optional.empty(), Spelling.nearest("x", List.of()));
    }
}
