package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.Device;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code train classifier} from texts to answers. */
class TrainClassifierTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String SMALL =
            "--layers 1 --hidden 16 --heads 2 --context 12 --vocab-size 80 --batch 8 --lr 5e-3 ";

    @TempDir
    Path folder;

    private Path data;
    private Path out;
    private long buffers;

    private record Run(int code, String out, String err) {
        JsonNode json() throws IOException {
            assertEquals(0, code, err);
            return JSON.readTree(out);
        }
    }

    private static Run quern(String... args) {
        ByteArrayOutputStream stdout = new ByteArrayOutputStream();
        ByteArrayOutputStream stderr = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), stdout, stderr, false);
        int code = Main.execute(output, args);
        return new Run(code, stdout.toString(StandardCharsets.UTF_8), stderr.toString(StandardCharsets.UTF_8));
    }

    private static Run say(String first, Object more, String... rest) {
        List<String> args = new ArrayList<>(List.of(first.split(" ")));
        args.addAll(List.of(more.toString().strip().split(" +")));
        args.addAll(List.of(rest));
        return quern(args.toArray(String[]::new));
    }

    private Run train(String more) {
        return say("train classifier -q --json --data", data + " --out " + out + " " + more);
    }

    @BeforeEach
    void writeData() throws IOException {
        buffers = Device.CPU.backend().memory().buffers();
        data = folder.resolve("weather.tsv");
        out = folder.resolve("run");
        StringBuilder rows = new StringBuilder("split\tkind\ttext\n");
        String[] days = {"today", "tomorrow", "this morning", "this evening", "at noon"};
        String[] places = {"here", "there", "in town", "by the sea", "far away", "at home"};
        int n = 0;
        for (String day : days) {
            for (String place : places) {
                String split = n++ % 5 == 0 ? "test" : "train";
                rows.append(split).append("\tsun\tWarm and bright ").append(day + " " + place + ".\n");
                rows.append(split).append("\train\tCold and wet ").append(day + " " + place + ".\n");
            }
        }
        Files.writeString(data, rows);
    }

    @AfterEach
    void nothingIsLeftInMemory() {
        assertEquals(buffers, Device.CPU.backend().memory().buffers(), "live buffers after the test");
    }

    private static final String COLUMNS = "--label-column kind --split split ";

    private String label(Path model, String text) throws IOException {
        return say("classify --json -m", model, "--text", text)
                .json()
                .get("label")
                .asText();
    }

    @Test
    void aNewClassifierLearnsItsTextsAndIsAskedForOthers() throws IOException {
        JsonNode run = train(SMALL + COLUMNS + "--epochs 12").json();
        assertEquals(1, run.get("test_accuracy").asDouble());
        assertEquals(1, run.get("test_macro_f1").asDouble());
        assertEquals(12, run.get("test_texts").asInt());
        assertEquals(48, run.get("train_texts").asInt());
        assertEquals("sun", label(out, "bright and warm"));
        assertEquals("rain", label(out, "it is wet here"));
        JsonNode config = JSON.readTree(out.resolve("config.json").toFile());
        assertEquals(
                "BertForSequenceClassification",
                config.get("architectures").get(0).asText());
        assertEquals("rain", config.get("id2label").get("0").asText());
        assertTrue(Files.exists(out.resolve("best/model.safetensors")));
        assertTrue(Files.exists(out.resolve("vocab.txt")));
        assertTrue(Files.readString(out.resolve("report.html")).contains("(nats per text)"));
        JsonNode eval = say("eval --json -m", out + " --label-column kind --texts " + data)
                .json();
        assertEquals(60, eval.get("texts").asInt());
        assertEquals(1, eval.get("accuracy").asDouble());
        assertTrue(
                say("replay -q --json --steps 3", out).json().get("identical").asBoolean());
    }

    @Test
    void aResumedRunEndsWithTheBitsOfOneThatWasNot() throws IOException {
        String options = SMALL + COLUMNS + "--dropout 0.3 --steps 9 --eval-every 2 ";
        train(options).json();
        byte[] whole = Files.readAllBytes(out.resolve("model.safetensors"));
        out = folder.resolve("other");
        train(options + "--stop-after 4").json();
        train("--resume").json();
        assertArrayEquals(whole, Files.readAllBytes(out.resolve("model.safetensors")));
    }

    @Test
    void anotherModelIsFineTunedAsAWholeOrByAdapters() throws IOException {
        train(SMALL + COLUMNS + "--steps 80").json();
        Path base = out;
        data = folder.resolve("more.jsonl");
        Path test = folder.resolve("test.csv");
        StringBuilder rows = new StringBuilder();
        for (String place : List.of("here", "there", "in town", "at home", "far away", "by the sea")) {
            rows.append("{\"text\":\"warm " + place + "\",\"label\":\"a\"}\n");
            rows.append("{\"text\":\"cold " + place + "\",\"label\":\"b\"}\n");
        }
        Files.writeString(data, rows);
        Files.writeString(test, "text,label\n\"warm at home\",a\n\"cold in town\",b\n");
        String tune = "-m " + base + " --test " + test + " --batch 6 --lr 5e-3 --warmup 0 ";

        out = folder.resolve("tuned");
        assertEquals(1, train(tune + "--steps 30").json().get("test_accuracy").asDouble());
        assertEquals("b", label(out, "cold"));

        out = folder.resolve("adapted");
        JsonNode run =
                train(tune + "--steps 20 --lora-rank 4 --lora-dropout 0.1").json();
        assertEquals(1, run.get("test_accuracy").asDouble());
        // Two layers of a block with 4 x (16 + 16), and the classifier, 2 x 16 + 2.
        assertEquals(2 * 128 + 34, run.get("trained_parameters").asInt());
        assertFalse(Files.exists(out.resolve("model.safetensors")));
        Path merged = folder.resolve("merged");
        assertEquals(
                1,
                say("merge --json --adapter", out + " --out " + merged)
                                .json()
                                .get("layers")
                                .asInt()
                        / 2);
        String text = "cold this evening";
        JsonNode a = say("classify --json -m", out, "--text", text).json().get("logits");
        JsonNode b = say("classify --json -m", merged, "--text", text).json().get("logits");
        for (int i = 0; i < 2; i++) {
            assertEquals(a.get(i).asDouble(), b.get(i).asDouble(), 1e-4);
        }

        byte[] whole = Files.readAllBytes(out.resolve("adapter_model.safetensors"));
        out = folder.resolve("again");
        train(tune + "--steps 20 --lora-rank 4 --lora-dropout 0.1 --eval-every 5 --stop-after 10")
                .json();
        train("--test " + test + " --resume").json();
        assertArrayEquals(whole, Files.readAllBytes(out.resolve("adapter_model.safetensors")));
    }

    @ParameterizedTest
    @CsvSource({
        "1, --label-column colour, no column 'colour'",
        "1, --label-column kind --split text, 0 texts for training",
        "1, --label-column split --split split, nothing to tell apart",
        "2, --label-column kind --split split --test x.tsv, exclude",
        "2, --label-column kind --test-part 1, --test-part",
        "2, --label-column kind --hidden 15, not a multiple",
        "2, --label-column kind --resume, no run",
        "2, --label-column kind --lora-rank 2, needs -m",
        "1, --label-column kind --test x.tsv, x.tsv"
    })
    void whatCannotBeMeantIsSaid(int code, String options, String message) {
        Run run = train(options);
        assertEquals(code, run.code, run.err);
        assertTrue(run.err.contains(message), run.err);
        assertFalse(Files.exists(out.resolve("train_state.safetensors")));
    }

    @Test
    void aTestIsDrawnWhereNoneIsGiven() throws IOException {
        JsonNode run =
                train(SMALL + "--label-column kind --test-part 0.25 --steps 1").json();
        assertEquals(45, run.get("train_texts").asInt());
        assertEquals(15, run.get("test_texts").asInt());
        assertEquals(2, run.get("labels").size());
    }
}
