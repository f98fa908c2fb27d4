package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ByteBpeTest {
    private static final Tokenizer GPT2 = TestFiles.gpt2();
    private static final Tokenizer TINY = TestFiles.gpt2Tiny();

    @Test
    void decodingGivesEveryTextBack() {
        Random random = new Random(11);
        for (int i = 0; i < 5000; i++) {
            String text = RandomText.next(random);
            Tokenizer tokenizer = i % 2 == 0 ? GPT2 : TINY;
            int[] ids = tokenizer.encode(text);
            assertEquals(text, tokenizer.decode(ids));
            // A second time, now from the cache.
            assertArrayEquals(ids, tokenizer.encode(text));
        }
    }

    @Test
    void streamsAnyIdsWithoutBreakingCharacters() {
        Random random = new Random(12);
        for (int i = 0; i < 3000; i++) {
            int[] ids = random.ints(random.nextInt(20), 0, TINY.vocabSize()).toArray();
            boolean skip = random.nextBoolean();
            StreamingDecoder stream = TINY.stream(skip);
            StringBuilder text = new StringBuilder();
            for (int id : ids) {
                String piece = stream.push(id);
                assertTrue(piece.isEmpty() || !Character.isHighSurrogate(piece.charAt(piece.length() - 1)));
                assertTrue(piece.isEmpty() || !Character.isLowSurrogate(piece.charAt(0)));
                text.append(piece);
            }
            text.append(stream.flush());
            assertEquals(TINY.decode(ids, skip), text.toString());
            assertEquals("", stream.flush());
        }
    }

    @Test
    void streamHoldsIncompleteCharactersBack() {
        int[] ids = TINY.encode("\uD83D\uDE00");
        assertTrue(ids.length > 1, "the tiny vocabulary has no token for an emoji");
        StreamingDecoder stream = TINY.stream(true);
        for (int i = 0; i < ids.length - 1; i++) {
            assertEquals("", stream.push(ids[i]));
        }
        assertEquals("\uD83D\uDE00", stream.push(ids[ids.length - 1]));
        assertEquals("", stream.push(ids[0]));
        assertEquals("\uFFFD", stream.flush());
    }

    @Test
    void unpairedSurrogatesAreReplaced() {
        assertArrayEquals(GPT2.encode("a\uFFFDb\uFFFD"), GPT2.encode("a\uD800b\uDFFF"));
    }

    @Test
    void specialTokensInsideATextAndSkipped() {
        int[] ids = GPT2.encode("a<|endoftext|>b");
        assertArrayEquals(new int[] {64, 50256, 65}, ids);
        assertEquals("a<|endoftext|>b", GPT2.decode(ids));
        assertEquals("ab", GPT2.decode(ids, true));
        StreamingDecoder stream = GPT2.stream(true);
        assertEquals("a", stream.push(64));
        assertEquals("", stream.push(50256));
        assertTrue(GPT2.isSpecial(50256));
        assertFalse(GPT2.isSpecial(64));
    }

    /** A million characters in one piece; the counts and hash codes are those of Hugging Face tokenizers' ids. */
    @ParameterizedTest
    @CsvSource(
            ignoreLeadingAndTrailingWhitespace = false,
            value = {
                "a,250000,514832385",
                "' ',1000000,-648009727",
                "\uD83D\uDE00,1000000,307603105",
                "'\n',500000,1509606401",
                "-,15625,-1158680560",
                "ab,500000,-528169471"
            })
    void hugePiecesOfOneKind(String unit, int count, int hash) {
        String text = unit.repeat(1_000_000 / unit.length());
        int[] ids = GPT2.encode(text);
        assertEquals(count, ids.length);
        assertEquals(hash, Arrays.hashCode(ids));
        assertEquals(text, GPT2.decode(ids));
    }

    @Test
    void longPiecesMergeLikeShortOnes() {
        // 40 and 80 characters: below and above the limit from which a heap is used.
        String word = "antidisestablishmentarianism";
        int[] once = GPT2.encode(word + "1" + word);
        int[] joined = GPT2.encode(word.repeat(4));
        assertEquals(word.repeat(4), GPT2.decode(joined));
        assertEquals(word + "1" + word, GPT2.decode(once));
        assertArrayEquals(GPT2.encode(word), Arrays.copyOf(joined, GPT2.encode(word).length));
    }

    @Test
    void tokensAndIds() {
        assertEquals(50256, GPT2.tokenToId("<|endoftext|>").orElseThrow());
        assertEquals(995, GPT2.tokenToId("\u0120world").orElseThrow());
        assertTrue(GPT2.tokenToId(" world").isEmpty());
        assertEquals("\u0120world", GPT2.idToToken(995));
        assertArrayEquals(" world".getBytes(StandardCharsets.UTF_8), GPT2.bytes(995));
        assertThrows(IllegalArgumentException.class, () -> GPT2.idToToken(50257));
        assertThrows(IllegalArgumentException.class, () -> GPT2.decode(-1));
        // A model may have more embeddings than the tokenizer has tokens.
        assertEquals("Hello", GPT2.decode(15496, 50300));
    }

    @Test
    void encodesTheSameFromManyThreads() throws Exception {
        Tokenizer fresh = TestFiles.gpt2Tiny();
        List<TestFiles.Golden> goldens =
                TestFiles.goldens("tokenizer_gpt2_tiny.json").toList();
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<?>> done = new ArrayList<>();
            for (int t = 0; t < 4; t++) {
                done.add(threads.submit(() -> {
                    for (int round = 0; round < 30; round++) {
                        for (TestFiles.Golden golden : goldens) {
                            assertArrayEquals(golden.ids(), fresh.encode(golden.text()));
                            assertEquals(golden.decoded(), fresh.decode(golden.ids()));
                        }
                    }
                }));
            }
            for (Future<?> future : done) {
                future.get();
            }
        }
    }

    @Test
    void bytesWithoutATokenBecomeUnknownOrVanish() {
        ObjectNode json = TestFiles.gpt2TinyJson();
        ObjectNode model = (ObjectNode) json.get("model");
        ObjectNode vocab = (ObjectNode) model.get("vocab");
        int id = vocab.remove("!").intValue();
        // The last token takes the place of "!", so that the ids have no gap.
        vocab.put("ARD", id);
        assertEquals("ab", TestFiles.load(json).decode(TestFiles.load(json).encode("a!!b")));
        model.put("unk_token", "<|endoftext|>");
        assertArrayEquals(new int[] {65, 0, 0, 66}, TestFiles.load(json).encode("a!!b"));
        model.put("fuse_unk", true);
        assertArrayEquals(new int[] {65, 0, 66}, TestFiles.load(json).encode("a!!b"));
    }

    @Test
    void piecesThatAreTokensMayIgnoreMerges() {
        ObjectNode json = TestFiles.gpt2TinyJson();
        ObjectNode model = (ObjectNode) json.get("model");
        model.putArray("merges");
        int the = TestFiles.load(json).tokenToId("\u0120the").orElseThrow();
        assertEquals(4, TestFiles.load(json).encode(" the").length);
        model.put("ignore_merges", true);
        assertArrayEquals(new int[] {the}, TestFiles.load(json).encode(" the"));
    }

    @Test
    void bothFormsOfMerges() {
        ObjectNode json = TestFiles.gpt2TinyJson();
        ObjectNode model = (ObjectNode) json.get("model");
        ArrayNode joined = TestFiles.JSON.createArrayNode();
        model.get("merges")
                .forEach(m -> joined.add(m.get(0).textValue() + " " + m.get(1).textValue()));
        model.set("merges", joined);
        Tokenizer tokenizer = TestFiles.load(json);
        TestFiles.goldens("tokenizer_gpt2_tiny.json")
                .forEach(golden -> assertArrayEquals(golden.ids(), tokenizer.encode(golden.text())));
    }
}
