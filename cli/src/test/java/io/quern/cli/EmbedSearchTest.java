package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.model.Bert;
import io.quern.transformer.model.BertConfig;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code embed} and {@code search} from end to end, on a little BERT with random weights. */
class EmbedSearchTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String WORDS = "red green blue car house tree sea the a of over runs stands is .";

    @TempDir
    Path folder;

    private String model;
    private long buffers;

    private record Run(int code, String out, String err) {
        List<JsonNode> lines() throws IOException {
            List<JsonNode> all = new java.util.ArrayList<>();
            for (String line : out.split("\n")) {
                all.add(JSON.readTree(line));
            }
            return all;
        }
    }

    private static Run quern(String stdin, String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8)), out, err, false);
        int code = Main.execute(output, args);
        return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private static void assertFails(int code, String message, Run run) {
        assertEquals(code, run.code, run.err);
        assertTrue(run.err.contains(message), run.err);
        assertEquals("", run.out);
    }

    @BeforeEach
    void makeModel() throws IOException {
        buffers = Device.CPU.backend().memory().buffers();
        Path dir = folder.resolve("model");
        try (Bert bert = new Bert(BertConfig.of(20, 16, 32, 2, 4), false, Bert.init(1))) {
            EncoderDir.save(dir, bert, DType.F32);
        }
        Files.writeString(
                dir.resolve("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n" + WORDS.replace(' ', '\n') + "\n");
        model = dir.toString();
    }

    @AfterEach
    void nothingIsLeftInMemory() {
        assertEquals(buffers, Device.CPU.backend().memory().buffers(), "live buffers after the test");
    }

    @Test
    void embedWritesTheSameVectorsInEveryForm() throws IOException {
        Run lines = quern("", "embed", "-m", model, "the red car", "a tree");
        assertEquals(0, lines.code, lines.err);
        assertEquals("", lines.err);
        assertEquals("a tree", lines.lines().get(1).get("text").asText());
        JsonNode second = lines.lines().get(1).get("embedding");
        assertEquals(32, second.size());

        Path file = Files.writeString(folder.resolve("in.txt"), "the red car\n\n a tree\n");
        Run whole = quern("", "embed", "-m", model, "-f", file.toString(), "--format", "json");
        assertEquals(32, whole.lines().getFirst().get("dimension").asInt());
        assertEquals(second, whole.lines().getFirst().get("embeddings").get(1));

        Path npy = folder.resolve("v.npy");
        Run array = quern("the red car\na tree\n", "embed", "-m", model, "--out", npy.toString());
        assertEquals(0, array.code, array.err);
        assertEquals("", array.out);
        byte[] bytes = Files.readAllBytes(npy);
        assertTrue(new String(bytes, 0, 128, StandardCharsets.ISO_8859_1).contains("(2, 32,)"));
        ByteBuffer data = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(second.get(0).floatValue(), data.getFloat(bytes.length - 32 * Float.BYTES));

        Path jsonl = folder.resolve("v.jsonl");
        assertEquals(0, quern("the red car\na tree\n", "embed", "-m", model, "--out", jsonl.toString()).code);
        assertEquals(
                lines.lines().getFirst(),
                JSON.readTree(Files.readAllLines(jsonl).getFirst()));
    }

    @Test
    void searchFindsThePassageThatIsTheQuestion() throws IOException {
        Path texts = Files.createDirectories(folder.resolve("texts/sub"));
        Files.writeString(texts.resolve("one.txt"), "the red car runs\n\nthe tree stands over the house\n");
        Files.writeString(texts.resolve("two.md"), "a blue sea\n");
        Files.write(texts.resolve("picture.bin"), new byte[] {(byte) 0xFF, 0, 1});
        Files.writeString(texts.resolve(".hidden"), "a blue sea of the hidden\n");
        String in = folder.resolve("texts").toString();
        Run run = quern("", "search", "-m", model, "--in", in, "a blue sea", "--top", "2");
        assertEquals(0, run.code, run.err);
        String[] hits = run.out.split("\n");
        assertEquals(2, hits.length);
        assertTrue(hits[0].matches(" *1\\.0000 .*two\\.md:1  a blue sea"), run.out);
        assertTrue(run.err.contains("1 of 3 files are not UTF-8 text"), run.err);

        String index = folder.resolve("index").toString();
        Run built = quern("", "search", "-m", model, "--in", in, "--index", index, "-q");
        assertEquals(0, built.code, built.err);
        assertEquals("", built.out + built.err);
        Run later = quern("the tree stands over the house\na blue sea\n", "search", "--index", index, "--json");
        assertEquals(0, later.code, later.err);
        JsonNode first = later.lines().getFirst();
        assertEquals("the tree stands over the house", first.get("question").asText());
        assertEquals(3, first.get("hits").size());
        assertEquals(3, first.get("hits").get(0).get("line").asInt());
        assertEquals(1, first.get("hits").get(0).get("score").asDouble(), 1e-5);
        assertEquals(
                "a blue sea",
                later.lines().get(1).get("hits").get(0).get("text").asText());
    }

    @Test
    void searchByTokens() throws IOException {
        Path file = Files.writeString(
                folder.resolve("f.txt"), "the red car runs over the house . a tree stands .\na blue sea is the sea .");
        Run run = quern(
                "", "search", "-m", model, "--in", file.toString(), "--by", "8", "--top", "9", "--json", "-q", "a sea");
        assertEquals(0, run.code, run.err);
        JsonNode hits = run.lines().getFirst().get("hits");
        for (JsonNode hit : hits) {
            assertTrue(hit.get("text").asText().split("\\s+").length <= 8, hit.toString());
        }
        assertTrue(hits.size() >= 3);
    }

    @Test
    void wrongCommandLines() throws IOException {
        assertFails(2, "-m MODEL is missing", quern("", "embed", "text"));
        assertFails(2, "--format npy needs --out", quern("", "embed", "-m", model, "--format", "npy", "text"));
        assertFails(2, "no text to embed", quern("\n", "embed", "-m", model));
        assertFails(2, "no prompt 'query'", quern("", "embed", "-m", model, "--prompt", "query", "text"));
        assertFails(2, "--batch", quern("", "embed", "-m", model, "--batch", "0", "text"));
        assertFails(2, "nothing to search", quern("", "search", "-m", model, "text"));
        Path file = Files.writeString(folder.resolve("f.txt"), "a tree");
        String in = file.toString();
        assertFails(2, "--by is lines", quern("", "search", "-m", model, "--in", in, "--by", "pages", "a"));
        assertFails(2, "1 to 14 tokens", quern("", "search", "-m", model, "--in", in, "--by", "15", "a"));
        assertFails(2, "--overlap", quern("", "search", "-m", model, "--in", in, "--overlap", "3", "a"));
        assertFails(2, "--overlap", quern("", "search", "-m", model, "--in", in, "--by", "9", "--overlap", "8", "a"));
        assertFails(2, "no question", quern("", "search", "-m", model, "--in", in));
        assertFails(1, "index.json", quern("", "search", "--index", folder.toString(), "a"));
        assertFails(1, "not a model folder", quern("", "embed", "-m", folder.toString(), "a"));
        assertFalse(Files.exists(folder.resolve("index.json")));
    }
}
