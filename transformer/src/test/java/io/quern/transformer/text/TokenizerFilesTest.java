package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which files are read, what they say, and what happens if they are broken. */
class TokenizerFilesTest {
    @TempDir
    private Path folder;

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void assertFails(Map<String, byte[]> files, String... messageParts) {
        TokenizerException e =
                assertThrows(TokenizerException.class, () -> Tokenizer.load("m", TestFiles.files(files)));
        for (String part : messageParts) {
            assertTrue(e.getMessage().contains(part), () -> "'" + part + "' is not in: " + e.getMessage());
        }
    }

    /** Expects that gpt2-tiny's tokenizer.json does not load after a change. */
    private static void assertFails(Consumer<ObjectNode> change, String... messageParts) {
        ObjectNode json = TestFiles.gpt2TinyJson();
        change.accept(json);
        assertFails(Map.of("tokenizer.json", TestFiles.bytes(json)), messageParts);
    }

    private static ObjectNode model(ObjectNode json) {
        return (ObjectNode) json.get("model");
    }

    private static ObjectNode vocab(ObjectNode json) {
        return (ObjectNode) json.get("model").get("vocab");
    }

    private static ArrayNode merges(ObjectNode json) {
        return (ArrayNode) json.get("model").get("merges");
    }

    private static Tokenizer tiny(String config) {
        return Tokenizer.load(
                "m",
                TestFiles.files(Map.of(
                        "tokenizer.json",
                        TestFiles.resource("gpt2-tiny/tokenizer.json"),
                        "tokenizer_config.json",
                        utf8(config))));
    }

    @Test
    void bothFormsAreTheSame() {
        Tokenizer oneFile = TestFiles.gpt2Tiny();
        Tokenizer twoFiles = Tokenizer.load(
                "m",
                TestFiles.files(Map.of(
                        "vocab.json", TestFiles.resource("gpt2-tiny/vocab.json"),
                        "merges.txt", TestFiles.resource("gpt2-tiny/merges.txt"))));
        assertEquals(oneFile.vocabSize(), twoFiles.vocabSize());
        assertEquals(oneFile.specialTokens(), twoFiles.specialTokens());
        TestFiles.goldens("tokenizer_gpt2_tiny.json")
                .forEach(golden -> assertArrayEquals(golden.ids(), twoFiles.encode(golden.text())));
    }

    @Test
    void folderOrFile() throws IOException {
        Files.write(folder.resolve("tokenizer.json"), TestFiles.resource("gpt2-tiny/tokenizer.json"));
        assertEquals(512, Tokenizer.load(folder).vocabSize());
        assertEquals(512, Tokenizer.load(folder.resolve("tokenizer.json")).vocabSize());
        Path other = Files.writeString(folder.resolve("other.json"), "{}");
        assertThrows(TokenizerException.class, () -> Tokenizer.load(other));
    }

    @Test
    void rolesAndExtraTokens() {
        Tokenizer tokenizer = tiny("""
            {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": {"content": "<s>", "lstrip": true},
             "eos_token": "<|endoftext|>", "pad_token": null, "additional_special_tokens": ["<x>"],
             "extra_special_tokens": {"image_token": "<img>"},
             "added_tokens_decoder": {"512": {"content": "<y>", "special": false, "normalized": false}}}
            """);
        assertEquals(516, tokenizer.vocabSize());
        assertEquals(Map.of("bos", 513, "eos", 0), tokenizer.specialTokens().roles());
        assertTrue(tokenizer.specialTokens().pad().isEmpty());
        assertArrayEquals(new int[] {65, 513, 512, 514, 515, 0}, tokenizer.encode("a  <s><y><x><img><|endoftext|>"));
        assertEquals("a<y>", tokenizer.decode(new int[] {65, 513, 512, 514, 515, 0}, true));
    }

    @Test
    void specialTokensMapCountsWhereTheConfigIsSilent() {
        Map<String, byte[]> files = new HashMap<>();
        files.put("tokenizer.json", TestFiles.resource("gpt2-tiny/tokenizer.json"));
        files.put("tokenizer_config.json", utf8("{\"eos_token\": null}"));
        files.put("special_tokens_map.json", utf8("{\"eos_token\": \"a\", \"pad_token\": \"b\"}"));
        SpecialTokens special = Tokenizer.load("m", TestFiles.files(files)).specialTokens();
        assertTrue(special.eos().isEmpty());
        assertEquals(66, special.pad().orElseThrow());
        assertEquals(0, special.bos().orElseThrow());
    }

    @Test
    void optionsOfTheConfigWin() {
        Tokenizer tokenizer = tiny("{\"add_prefix_space\": true, \"add_bos_token\": true, \"add_eos_token\": true}");
        int[] expected = TestFiles.gpt2Tiny().encode("<|endoftext|> the<|endoftext|>");
        assertArrayEquals(expected, tokenizer.encode("the"));
        assertArrayEquals(Arrays.copyOfRange(expected, 1, expected.length - 1), tokenizer.encode("the", false));
    }

    @Test
    void missingFiles() {
        assertFails(Map.of(), "m: no tokenizer here", "tokenizer.json", "vocab.json and merges.txt");
        assertFails(Map.of("vocab.json", TestFiles.resource("gpt2-tiny/vocab.json")), "m/merges.txt is missing");
        TokenizerException e = assertThrows(TokenizerException.class, () -> Tokenizer.load(folder.resolve("absent")));
        assertTrue(e.getMessage().contains("absent: there is no such folder"), e.getMessage());
    }

    @Test
    void notJson() {
        assertFails(Map.of("tokenizer.json", new byte[0]), "m/tokenizer.json: the file is empty");
        assertFails(Map.of("tokenizer.json", utf8("{\"a\": ")), "m/tokenizer.json: not valid JSON at line 1");
        assertFails(Map.of("tokenizer.json", utf8("{} x")), "m/tokenizer.json: not valid JSON");
        assertFails(Map.of("tokenizer.json", utf8("[]")), "expected an object, found an array");
        assertFails(Map.of("tokenizer.json", utf8("\u0000\u0001")), "not valid JSON");
        assertFails(Map.of("tokenizer.json", new byte[] {'{', '"', (byte) 0xC3, '"', ':', '1', '}'}), "not valid JSON");
        assertFails(Map.of("tokenizer.json", utf8("[".repeat(1_000_000))), "not valid JSON", "depth");
        assertFails(Map.of("tokenizer.json", utf8("{\"a\":".repeat(100_000))), "not valid JSON", "depth");
        assertFails(
                Map.of(
                        "tokenizer.json", TestFiles.resource("gpt2-tiny/tokenizer.json"),
                        "tokenizer_config.json", utf8("{")),
                "m/tokenizer_config.json: not valid JSON");
        assertFails(
                Map.of("vocab.json", new byte[0], "merges.txt", utf8("#version")), "m/vocab.json: the file is empty");
        assertFails(
                Map.of("vocab.json", TestFiles.resource("gpt2-tiny/vocab.json"), "merges.txt", new byte[0]),
                "m/merges.txt: the file is empty");
    }

    @Test
    void brokenVocabularies() {
        assertFails(json -> vocab(json).put("zzz", 5), "model.vocab: tokens", "both have id 5");
        assertFails(json -> vocab(json).put("zzz", 513), "model.vocab: no token has id 512");
        assertFails(json -> vocab(json).put("zzz", Integer.MAX_VALUE), "model.vocab: no token has id 512");
        assertFails(json -> vocab(json).put("zzz", -1), "negative id -1");
        assertFails(json -> vocab(json).put("zzz", "x"), "model.vocab.zzz: expected an id");
        assertFails(json -> vocab(json).put("zzz", 1e10), "model.vocab.zzz: expected an id");
        assertFails(json -> model(json).putNull("vocab"), "model.vocab: expected an object, found null");
        assertFails(json -> json.remove("model"), "model: expected an object, found nothing");
        assertFails(
                Map.of("tokenizer.json", utf8("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1}}}")),
                "not valid JSON",
                "Duplicate");
    }

    @Test
    void brokenMerges() {
        assertFails(json -> model(json).remove("merges"), "model.merges: expected an array, found nothing");
        assertFails(
                json -> merges(json).addArray().add("Q").add("ZZ"),
                "model.merges: merge",
                "'Q' + 'ZZ'",
                "the token 'ZZ'");
        assertFails(
                json -> merges(json).addArray().add("Q").add("Z"), "the token 'QZ', which is not in the vocabulary");
        assertFails(json -> merges(json).add("a b c"), "merge", "expected two tokens with one space", "'a b c'");
        assertFails(json -> merges(json).add(7), "model.merges[", "expected a pair of tokens", "found '7'");
        assertFails(json -> merges(json).addArray().add("a"), "expected a pair of tokens", "an array of 1");
        Map<String, byte[]> files = new HashMap<>();
        files.put("vocab.json", TestFiles.resource("gpt2-tiny/vocab.json"));
        for (String merge : List.of("a", "a ", " a", "a b c", "a  b")) {
            files.put("merges.txt", utf8("#version: 0.2\n" + merge + "\n"));
            assertFails(files, "m/merges.txt: line 2: expected two tokens");
        }
        files.put("merges.txt", utf8("#version: 0.2\nQ Z\n"));
        assertFails(files, "m/merges.txt: merge 1", "'QZ'");
        files.put("merges.txt", new byte[] {'a', ' ', (byte) 0xC3, '\n'});
        assertFails(files, "m/merges.txt: not valid UTF-8");
    }

    @Test
    void brokenAddedTokens() {
        assertFails(json -> added(json, 600, "<x>"), "added token '<x>' has id 600; expected 512, the next free id");
        assertFails(json -> added(json, 5, "<x>"), "added token '<x>' has id 5; expected 512");
        assertFails(json -> added(json, 512, "a"), "added token 'a' has id 512; expected 65, its id in the vocabulary");
        assertFails(json -> ((ArrayNode) json.get("added_tokens")).add("x"), "added_tokens[1]: expected an object");
        assertFails(
                json -> ((ArrayNode) json.get("added_tokens")).addObject().put("id", 512),
                "added_tokens[1].content: expected a string, found nothing");
    }

    private static void added(ObjectNode json, int id, String content) {
        ((ArrayNode) json.get("added_tokens")).addObject().put("id", id).put("content", content);
    }

    @Test
    void unsupportedParts() {
        assertFails(
                json -> model(json).put("type", "Unigram"),
                "m/tokenizer.json: model.type: Unigram is not supported; supported: BPE, WordPiece");
        assertFails(
                json -> json.putObject("normalizer").put("type", "Lowercase"),
                "normalizer: Lowercase is not supported");
        assertFails(
                json -> json.putNull("pre_tokenizer"), "pre_tokenizer: none is not supported; supported: ByteLevel");
        assertFails(json -> json.putObject("decoder").put("type", "Metaspace"), "decoder: Metaspace is not supported");
        assertFails(
                json -> json.putObject("post_processor").put("type", "Unknown"),
                "post_processor: Unknown is not supported");
        assertFails(json -> model(json).put("dropout", 0.1), "model.dropout: 0.1 is not supported");
        assertFails(json -> model(json).put("byte_fallback", true), "model.byte_fallback: true is not supported");
        assertFails(json -> model(json).put("unk_token", "<u>"), "the unknown token '<u>' is not in the vocabulary");
        assertFails(json -> json.put("version", "2.0"), "version 2.0");
    }

    @Test
    void brokenTemplates() {
        String piece = "{\"Sequence\":{\"id\":\"A\"}}";
        String special = "{\"SpecialToken\":{\"id\":\"S\"}}";
        assertFails(json -> template(json, special, 0), "post_processor.single: the text A is missing");
        assertFails(json -> template(json, piece + "," + piece, 0), "the text 'A' comes twice");
        assertFails(json -> template(json, special + "," + piece, 512), "adds the id 512, which no token has");
        assertFails(
                json -> {
                    template(json, special + "," + piece, 1);
                    ((ObjectNode) json.get("post_processor")).remove("special_tokens");
                },
                "post_processor.special_tokens.S.ids: expected an array, found nothing");
    }

    private static void template(ObjectNode json, String single, int id) {
        try {
            json.set(
                    "post_processor",
                    TestFiles.JSON.readTree("{\"type\":\"TemplateProcessing\",\"single\":[" + single
                            + "],\"special_tokens\":{\"S\":{\"ids\":[" + id + "]}}}"));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void savingWhereNothingCanBeWritten() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "x");
        TokenizerException e = assertThrows(
                TokenizerException.class, () -> TestFiles.gpt2Tiny().save(file.resolve("sub")));
        assertTrue(e.getMessage().contains("cannot be made"), e.getMessage());
        Path blocked = Files.createDirectories(folder.resolve("blocked/vocab.json/full"));
        assertThrows(TokenizerException.class, () -> TestFiles.gpt2Tiny().save(folder.resolve("blocked")));
        assertTrue(Files.exists(blocked));
        try (var files = Files.list(folder.resolve("blocked"))) {
            assertEquals(1, files.count(), "no temporary file is left");
        }
    }
}
