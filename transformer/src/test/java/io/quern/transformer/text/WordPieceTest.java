package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** BERT's tokenizer against Hugging Face tokenizers. */
class WordPieceTest {
    private static final Map<String, byte[]> VOCAB_TXT = Map.of("vocab.txt", vocabulary());
    private static final WordPiece AB =
            WordPiece.of(Vocabulary.of(List.of("[UNK]", "a", "b"), "test"), WordPiece.Options.BERT, "test");
    private static final Tokenizer BERT = Tokenizer.load("bert", TestFiles.files(VOCAB_TXT));

    private static byte[] vocabulary() {
        try (var in = new GZIPInputStream(new ByteArrayInputStream(TestFiles.resource("bert-vocab.txt.gz")))) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** tokenizer.json as all-MiniLM-L6-v2 has it, around the same vocabulary. */
    private static ObjectNode bertJson() {
        ObjectNode json = tinyJson();
        ObjectNode vocab = (ObjectNode) json.get("model");
        ObjectNode ids = vocab.putObject("vocab");
        new String(vocabulary(), StandardCharsets.UTF_8).lines().forEach(t -> ids.put(t, ids.size()));
        json.get("added_tokens")
                .forEach(t -> ((ObjectNode) t)
                        .put("id", ids.get(t.get("content").textValue()).intValue()));
        json.at("/post_processor/special_tokens")
                .forEach(t -> ((ObjectNode) t)
                        .putArray("ids")
                        .add(ids.get(t.get("id").textValue()).intValue()));
        return json;
    }

    private static ObjectNode tinyJson() {
        try (var in = WordPieceTest.class.getResourceAsStream("/models/bert-tiny/tokenizer.json")) {
            return (ObjectNode) TestFiles.JSON.readTree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Stream<JsonNode> minilm() {
        JsonNode cases = TestFiles.json("tokenizer_minilm.json").get("cases");
        assertEquals(66, cases.size());
        return StreamSupport.stream(cases.spliterator(), false);
    }

    @ParameterizedTest
    @MethodSource("minilm")
    void minilmFromVocabTxt(JsonNode c) {
        check(BERT, c);
    }

    @Test
    void minilmFromTokenizerJson() {
        Tokenizer tokenizer = TestFiles.load(bertJson());
        minilm().forEach(c -> check(tokenizer, c));
    }

    private static void check(Tokenizer tokenizer, JsonNode c) {
        int most = c.at("/params/max_length").asInt(1000);
        Encoding got = tokenizer.encode(
                c.at("/input/text").textValue(), c.at("/input/pair").textValue(), most);
        int[] ids = TestFiles.JSON.convertValue(c.at("/expected/ids"), int[].class);
        assertArrayEquals(ids, got.ids(), c.get("id").textValue());
        assertEquals(
                List.of(TestFiles.JSON.convertValue(c.at("/expected/tokens"), String[].class)), tokenizer.tokens(ids));
        if (c.at("/expected").has("type_ids")) {
            assertArrayEquals(TestFiles.JSON.convertValue(c.at("/expected/type_ids"), int[].class), got.typeIds());
        }
        if (c.at("/expected").has("decoded")) {
            assertArrayEquals(ids, tokenizer.encode(c.at("/input/text").textValue()));
            assertEquals(c.at("/expected/decoded").textValue(), tokenizer.decode(ids));
            StreamingDecoder stream = tokenizer.stream(false);
            StringBuilder text = new StringBuilder();
            for (int id : ids) {
                text.append(stream.push(id));
            }
            assertEquals(
                    c.at("/expected/decoded").textValue(),
                    text.append(stream.flush()).toString());
        }
    }

    /** Normalizers, templates, pairs, truncation and decoders of all kinds; and the same after saving and loading. */
    @Test
    void optionsOfAllKinds(@TempDir Path folder) {
        int compared = 0;
        for (JsonNode v : TestFiles.json("wordpiece.json").get("variants")) {
            ObjectNode json = tinyJson();
            json.setAll((ObjectNode) v.get("changes"));
            ((ObjectNode) json.get("model")).set("max_input_chars_per_word", v.get("max_input_chars_per_word"));
            Tokenizer tokenizer = TestFiles.load(json);
            tokenizer.save(folder);
            Tokenizer saved = Tokenizer.load(folder);
            for (JsonNode c : v.get("cases")) {
                for (Tokenizer t : List.of(tokenizer, saved)) {
                    Encoding got = t.encode(
                            c.get("text").textValue(),
                            c.get("pair").textValue(),
                            c.get("max_length").asInt(Integer.MAX_VALUE));
                    assertEquals(c.get("ids"), TestFiles.JSON.valueToTree(got.ids()), c.toString());
                    assertEquals(c.get("type_ids"), TestFiles.JSON.valueToTree(got.typeIds()), c.toString());
                    assertEquals(c.get("decoded").textValue(), t.decode(got.ids()));
                    assertEquals(c.get("decoded_without_special").textValue(), t.decode(got.ids(), true));
                    compared++;
                }
            }
        }
        assertEquals(320, compared);
    }

    @Test
    void everyCharacterHasTheSameFate() {
        BertNormalizer normalizer = new BertNormalizer(true, true, false, false);
        assertFates("characters", c -> fate(normalizer, c));
    }

    @Test
    void theSameCharactersAreAccents() {
        BertNormalizer normalizer = new BertNormalizer(false, false, true, false);
        assertFates(
                "accents",
                c -> Boolean.toString(
                        normalizer.apply("a" + Character.toString(c) + "b").equals("ab")));
    }

    private static void assertFates(String key, IntFunction<String> fate) {
        List<String> wrong = new ArrayList<>();
        JsonNode runs = TestFiles.json("wordpiece.json").get(key);
        for (int i = 0; i < runs.size(); i++) {
            int end = i + 1 < runs.size() ? runs.get(i + 1).get(0).asInt() : Character.MAX_CODE_POINT + 1;
            for (int c = runs.get(i).get(0).asInt(); c < end; c++) {
                if (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
                    continue;
                }
                String got = fate.apply(c);
                String expected = runs.get(i).get(1).asText();
                if (!got.equals(expected)) {
                    wrong.add("%x %s, not %s".formatted(c, got, expected));
                }
            }
        }
        assertEquals(List.of(), wrong);
    }

    private static String fate(BertNormalizer normalizer, int c) {
        String clean = normalizer.apply("a" + Character.toString(c) + "b");
        if (clean.equals("ab")) {
            return "gone";
        }
        IntList ids = new IntList(4);
        AB.encode(clean, 0, clean.length(), ids);
        return switch (ids.size()) {
            case 1 -> "word";
            case 2 -> "space";
            default -> "split";
        };
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"do_lower_case\":false} | Hello Caf\u00e9 | [CLS] Hello Caf\u00e9 [SEP]",
                "{\"do_lower_case\":false,\"strip_accents\":true} | Hello Caf\u00e9 | [CLS] Hello Cafe [SEP]",
                "{\"strip_accents\":false} | Hello Caf\u00e9 | [CLS] hello caf\u00e9 [SEP]",
                "{} | Hello Caf\u00e9 | [CLS] hello cafe [SEP]"
            })
    void tokenizerConfigChangesTheNormalizer(String config, String text, String expected) {
        Map<String, byte[]> files = new HashMap<>();
        files.put(
                "vocab.txt",
                "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nHello\nhello\nCaf\u00e9\ncaf\u00e9\nCafe\ncafe\n"
                        .getBytes(StandardCharsets.UTF_8));
        files.put("tokenizer_config.json", config.getBytes(StandardCharsets.UTF_8));
        Tokenizer tokenizer = Tokenizer.load("test", TestFiles.files(files));
        assertEquals(expected, tokenizer.decode(tokenizer.encode(text)));
        assertEquals(0, tokenizer.specialTokens().pad().orElseThrow());
        assertEquals(4, tokenizer.specialTokens().role("mask").orElseThrow());
        assertTrue(tokenizer.isSpecial(2));
    }

    @Test
    void unpairedSurrogatesVanishAsReplacementCharactersDo() {
        assertArrayEquals(BERT.encode("ab"), BERT.encode("a\uD800b"));
        assertArrayEquals(BERT.encode("a b"), BERT.encode("a\uD800 b\uDC00"));
    }

    @Test
    void roomForSpecialTokens() {
        assertEquals(
                List.of("[CLS]", "[SEP]"),
                BERT.tokens(BERT.encode("one two", null, 2).ids()));
        String message = assertThrows(IllegalArgumentException.class, () -> BERT.encode("one", null, 1))
                .getMessage();
        assertTrue(message.contains("1 tokens") && message.contains("2 special"), message);
    }

    @Test
    void brokenFiles() {
        Map<String, byte[]> none = Map.of("vocab.txt", "a\nb\n".getBytes(StandardCharsets.UTF_8));
        assertTrue(assertThrows(TokenizerException.class, () -> Tokenizer.load("m", TestFiles.files(none)))
                .getMessage()
                .contains("[UNK]"));
        Map<String, byte[]> twice = Map.of("vocab.txt", "[UNK]\na\na\n".getBytes(StandardCharsets.UTF_8));
        assertTrue(assertThrows(TokenizerException.class, () -> Tokenizer.load("m", TestFiles.files(twice)))
                .getMessage()
                .contains("comes twice"));
        ObjectNode json = tinyJson();
        json.putObject("pre_tokenizer").put("type", "Whitespace");
        assertTrue(assertThrows(TokenizerException.class, () -> TestFiles.load(json))
                .getMessage()
                .contains("BertPreTokenizer"));
    }
}
