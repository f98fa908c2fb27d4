package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The same ids, tokens and texts as Hugging Face tokenizers. */
class GoldenTokenizerTest {
    private static final Tokenizer GPT2 = TestFiles.gpt2();
    private static final Tokenizer GPT2_TINY = TestFiles.gpt2Tiny();

    static Stream<TestFiles.Golden> gpt2Cases() {
        return TestFiles.goldens("tokenizer_gpt2.json");
    }

    static Stream<TestFiles.Golden> gpt2TinyCases() {
        return TestFiles.goldens("tokenizer_gpt2_tiny.json");
    }

    @ParameterizedTest
    @MethodSource("gpt2Cases")
    void gpt2(TestFiles.Golden golden) {
        check(GPT2, golden);
    }

    @ParameterizedTest
    @MethodSource("gpt2TinyCases")
    void gpt2Tiny(TestFiles.Golden golden) {
        check(GPT2_TINY, golden);
    }

    private static void check(Tokenizer tokenizer, TestFiles.Golden golden) {
        int[] ids = tokenizer.encode(golden.text());
        assertArrayEquals(golden.ids(), ids);
        assertEquals(golden.tokens(), tokenizer.tokens(ids));
        assertEquals(golden.decoded(), tokenizer.decode(ids));
        StreamingDecoder stream = tokenizer.stream(false);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(stream.push(id));
        }
        assertEquals(golden.decoded(), text.append(stream.flush()).toString());
    }

    @Test
    void allCasesAreThere() {
        assertEquals(60, gpt2Cases().count());
        assertEquals(60, gpt2TinyCases().count());
    }

    @Test
    void vocabularies() {
        assertEquals(50257, GPT2.vocabSize());
        assertEquals(50256, GPT2.specialTokens().eos().orElseThrow());
        assertEquals(512, GPT2_TINY.vocabSize());
        assertEquals(0, GPT2_TINY.specialTokens().bos().orElseThrow());
    }
}
