package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.model.Bert;
import io.quern.transformer.model.BertConfig;
import io.quern.transformer.model.BertForSequenceClassification;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code classify --text} from end to end, on little BERTs with random weights. */
class ClassifyTextTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private long buffers;

    private record Run(int code, String out, String err) {}

    private static Run quern(String stdin, String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8)), out, err, false);
        int code = Main.execute(output, args);
        return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    @BeforeEach
    void countBuffers() {
        buffers = Device.CPU.backend().memory().buffers();
    }

    @AfterEach
    void nothingIsLeftInMemory() {
        assertEquals(buffers, Device.CPU.backend().memory().buffers(), "live buffers after the test");
    }

    private String model(String... labels) throws IOException {
        Path dir = folder.resolve("model" + labels.length);
        BertConfig config = BertConfig.of(10, 16, 32, 1, 2).withLabels(List.of(labels));
        try (BertForSequenceClassification bert = new BertForSequenceClassification(config, Bert.init(1))) {
            EncoderDir.save(dir, bert, DType.F32);
        }
        Files.writeString(dir.resolve("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\nfilm\na\nvery\n");
        return dir.toString();
    }

    @Test
    void everyTextGetsAClass() throws IOException {
        String model = model("negative", "positive", "neither");
        Run run = quern("very bad\n\n", "classify", "-m", model, "--text", "a good film", "--text", "-", "--json");
        assertEquals(0, run.code, run.err);
        String[] lines = run.out.split("\n");
        assertEquals(2, lines.length);
        JsonNode first = JSON.readTree(lines[0]);
        assertEquals("a good film", first.get("input").asText());
        assertEquals("very bad", JSON.readTree(lines[1]).get("input").asText());
        double sum = 0;
        for (JsonNode p : first.get("probabilities")) {
            sum += p.asDouble();
        }
        assertEquals(1, sum, 1e-6);
        Run alone = quern("", "classify", "-m", model, "--text", "a good film", "--json");
        for (int i = 0; i < 3; i++) {
            assertEquals(
                    first.get("logits").get(i).asDouble(),
                    JSON.readTree(alone.out).get("logits").get(i).asDouble(),
                    1e-5);
        }
        Run people = quern("", "classify", "-m", model, "--text", "a good film", "--top-k", "3");
        assertTrue(people.out.matches("a good film:(  (negative|positive|neither) [\\d.]+ %){3}\n"), people.out);
    }

    @Test
    void onePairGivesOneScore() throws IOException {
        String model = model("relevant");
        Run run = quern("", "classify", "-m", model, "--text", "good", "--pair", "a very good film", "--json");
        assertEquals(0, run.code, run.err);
        double logit = JSON.readTree(run.out).get("logits").get(0).asDouble();
        double p = JSON.readTree(run.out).get("probabilities").get(0).asDouble();
        assertEquals(1 / (1 + Math.exp(-logit)), p, 1e-6);
        Run other = quern("", "classify", "-m", model, "--text", "good", "--pair", "bad", "--json");
        assertTrue(JSON.readTree(other.out).get("logits").get(0).asDouble() != logit);
    }

    @Test
    void wrongCommandLines() throws IOException {
        Run neither = quern("", "classify");
        assertEquals(2, neither.code);
        assertTrue(neither.err.contains("either picture files or --text"), neither.err);
        assertEquals(2, quern("", "classify", "--text", "a", "x.png").code);
        Run noModel = quern("", "classify", "--text", "a");
        assertEquals(2, noModel.code);
        assertTrue(noModel.err.contains("-m MODEL"), noModel.err);
    }
}
