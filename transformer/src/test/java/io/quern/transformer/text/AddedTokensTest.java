package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Flags of added tokens, normalizers, pre-tokenizer options and post-processors, against Hugging Face tokenizers. */
class AddedTokensTest {
    private static final JsonNode VARIANTS = TestFiles.json("added_tokens.json");

    static IntStream variants() {
        return IntStream.range(0, VARIANTS.size());
    }

    @ParameterizedTest
    @MethodSource("variants")
    void encodesAndDecodes(int number, @TempDir Path folder) {
        JsonNode variant = VARIANTS.get(number);
        ObjectNode json = TestFiles.gpt2TinyJson();
        json.setAll((ObjectNode) variant.get("changes"));
        ((ObjectNode) json.get("model")).set("ignore_merges", variant.get("ignore_merges"));
        Tokenizer tokenizer = TestFiles.load(json);
        check(variant.get("cases"), tokenizer);

        tokenizer.save(folder);
        check(variant.get("cases"), Tokenizer.load(folder));
    }

    private static void check(JsonNode cases, Tokenizer tokenizer) {
        assertEquals(8, cases.size());
        for (JsonNode c : cases) {
            String text = c.get("text").textValue();
            int[] ids = TestFiles.JSON.convertValue(c.get("ids"), int[].class);
            int[] bare = TestFiles.JSON.convertValue(c.get("ids_without_special"), int[].class);
            assertArrayEquals(ids, tokenizer.encode(text), text);
            assertArrayEquals(bare, tokenizer.encode(text, false), text);
            assertEquals(c.get("decoded").textValue(), tokenizer.decode(ids));
            assertEquals(c.get("decoded_without_special").textValue(), tokenizer.decode(ids, true));
        }
    }

    /** A token of white space that the one before it has swallowed; ids by Hugging Face tokenizers 0.23.2. */
    @Test
    void swallowedTokens() {
        for (boolean lstrip : new boolean[] {false, true}) {
            ObjectNode json = TestFiles.gpt2TinyJson();
            ArrayNode added = (ArrayNode) json.get("added_tokens");
            added.addObject().put("id", 512).put("content", "<m>").put("rstrip", true);
            added.addObject().put("id", 513).put("content", "\n\n").put("lstrip", lstrip);
            int[] expected = lstrip ? new int[] {65, 512, 66} : new int[] {65, 512, 513, 66};
            assertArrayEquals(expected, TestFiles.load(json).encode("a<m> \n\nb"));
        }
    }
}
