package io.quern.transformer.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.GZIPInputStream;

/** Tokenizer files for tests. */
final class TestFiles {
    static final ObjectMapper JSON = new ObjectMapper();

    private TestFiles() {}

    /** A case of a golden file. */
    record Golden(String id, String text, int[] ids, List<String> tokens, String decoded) {
        @Override
        public String toString() {
            return id;
        }
    }

    static Stream<Golden> goldens(String file) {
        JsonNode cases = json(file).get("cases");
        return StreamSupport.stream(cases.spliterator(), false)
                .map(node -> new Golden(
                        node.get("id").textValue(),
                        node.at("/input/text").textValue(),
                        JSON.convertValue(node.at("/expected/ids"), int[].class),
                        List.of(JSON.convertValue(node.at("/expected/tokens"), String[].class)),
                        node.at("/expected/decoded").textValue()));
    }

    static byte[] resource(String file) {
        try (InputStream in = TestFiles.class.getResourceAsStream("/text/" + file)) {
            if (in == null) {
                throw new IllegalStateException("no test resource " + file);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode json(String file) {
        try {
            return JSON.readTree(resource(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Files by name and contents. */
    static FileSource files(Map<String, byte[]> contents) {
        return name -> contents.containsKey(name) ? new ByteArrayInputStream(contents.get(name)) : null;
    }

    static Tokenizer gpt2Tiny() {
        return Tokenizer.load("gpt2-tiny", name -> TestFiles.class.getResourceAsStream("/text/gpt2-tiny/" + name));
    }

    /** The tokenizer.json of gpt2-tiny, to be changed. */
    static ObjectNode gpt2TinyJson() {
        return (ObjectNode) json("gpt2-tiny/tokenizer.json");
    }

    static Tokenizer load(JsonNode tokenizerJson) {
        return Tokenizer.load("test", files(Map.of("tokenizer.json", bytes(tokenizerJson))));
    }

    static byte[] bytes(JsonNode json) {
        return json.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** GPT-2's vocab.json and merges.txt. */
    static Map<String, byte[]> gpt2Files() {
        byte[] merges;
        try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(resource("gpt2-merges.txt.gz")))) {
            merges = in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        List<String> tokens = new ArrayList<>();
        for (int b = 0; b < 256; b++) {
            tokens.add(String.valueOf(ByteAlphabet.charOf(b)));
        }
        tokens.sort(null);
        new String(merges, StandardCharsets.UTF_8).lines().skip(1).forEach(line -> tokens.add(line.replace(" ", "")));
        tokens.add("<|endoftext|>");
        ObjectNode vocab = JSON.createObjectNode();
        tokens.forEach(token -> vocab.put(token, vocab.size()));
        Map<String, byte[]> files = new HashMap<>();
        files.put("vocab.json", bytes(vocab));
        files.put("merges.txt", merges);
        return files;
    }

    static Tokenizer gpt2() {
        return Tokenizer.load("gpt2", files(gpt2Files()));
    }
}
