package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The options of {@code train gpt} that say how to learn. */
class TrainGptTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private Path out;

    private record Run(int code, String out, String err) {
        JsonNode json() throws IOException {
            assertEquals(0, code, err);
            return JSON.readTree(out);
        }
    }

    @BeforeEach
    void writeData() throws IOException {
        Files.writeString(folder.resolve("data.txt"), "one two three four five six seven\n".repeat(40));
        out = folder.resolve("run");
    }

    private Run start(String more) {
        return train("--vocab-size 270 --layers 1 --hidden 8 --heads 2 --context 8 --batch 2 --eval-batches 1 " + more);
    }

    private Run train(String more) {
        List<String> args = new ArrayList<>(List.of("train", "gpt", "-q", "--json", "--data"));
        args.add(folder.resolve("data.txt").toString());
        args.add("--out");
        args.add(out.toString());
        args.addAll(List.of(more.strip().split(" +")));
        ByteArrayOutputStream stdout = new ByteArrayOutputStream();
        ByteArrayOutputStream stderr = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), stdout, stderr, false);
        int code = Main.execute(output, args.toArray(String[]::new));
        return new Run(code, stdout.toString(StandardCharsets.UTF_8), stderr.toString(StandardCharsets.UTF_8));
    }

    private double[] logged(String key) throws IOException {
        List<Double> all = new ArrayList<>();
        for (String line : Files.readAllLines(out.resolve("log.jsonl"))) {
            JsonNode n = JSON.readTree(line);
            if (n.hasNonNull(key)) {
                all.add(n.get(key).doubleValue());
            }
        }
        return all.stream().mapToDouble(d -> d).toArray();
    }

    /** Two updates of warm-up, then five of the schedule. */
    @ParameterizedTest
    @CsvSource({
        "--schedule constant,                             1 1      1      1      1",
        "--schedule linear --min-lr 0,                    1 0.8    0.6    0.4    0.2",
        "--schedule linear --min-lr 5e-4,                 1 0.9    0.8    0.7    0.6",
        "--schedule cosine --min-lr 0,                    1 0.9045 0.6545 0.3455 0.0955",
        "--schedule step --step-every 2 --gamma 0.5,      1 1      0.5    0.5    0.25",
        "--schedule exponential --gamma 0.5,              1 0.5    0.25   0.125  0.0625",
        "--schedule exponential --min-lr 3.125e-5,        1 0.5    0.25   0.125  0.0625",
        "--schedule inverse_sqrt,                         1 0.8165 0.7071 0.6325 0.5774",
        "--schedule wsd --decay-steps 3 --min-lr 0,       1 1      1      0.4226 0.1835",
        "--schedule plateau --lr-patience 50,             1 1      1      1      1"
    })
    void everyScheduleDrivesTheRate(String options, String expected) throws IOException {
        JsonNode record = start(options + " --lr 1e-3 --warmup 2 --steps 7").json();
        assertEquals(options.split(" ")[1], record.get("schedule").asText());
        double[] lr = logged("lr");
        assertArrayEquals(new double[] {1e-3 / 3, 2e-3 / 3}, Arrays.copyOf(lr, 2), 1e-12);
        double[] rest = Arrays.stream(expected.split(" +"))
                .mapToDouble(x -> 1e-3 * Double.parseDouble(x))
                .toArray();
        assertArrayEquals(rest, Arrays.copyOfRange(lr, 2, lr.length), 1e-7);
    }

    @Test
    void aResumedRunKeepsItsSchedule() throws IOException {
        // So small a rate does not lower the loss by the threshold of 1e-4: every validation but the first lowers the
        // rate.
        start("--schedule plateau --lr-patience 0 --gamma 0.5 --lr 1e-6 --warmup 0 --eval-every 1 --steps 3");
        train("--resume --steps 5").json();
        assertArrayEquals(new double[] {1e-6, 1e-6, 5e-7, 2.5e-7, 1.25e-7}, logged("lr"), 1e-15);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--schedule exponential --min-lr 0",
                "--schedule plateau --gamma 1",
                "--schedule step --step-every 0",
                "--schedule wsd --decay-steps 0",
                "--lr 0",
                "--schedule zigzag",
                "--find-lr --resume",
                "--clip-value 0",
                "--l1 -1",
                "--ema 1",
                "--eval-ema",
                "--patience 0",
                "--keep -1"
            })
    void settingsWithoutASenseAreUsageErrors(String options) {
        Run run = start(options + " --steps 2");
        assertEquals(2, run.code, run.err);
        assertFalse(Files.exists(out.resolve("train_state.safetensors")));
    }

    @Test
    void aLearningRateIsSuggestedWithoutTraining() throws IOException {
        JsonNode found = start("--find-lr --steps 60").json();
        double suggestion = found.get("suggestion").asDouble();
        assertTrue(suggestion >= 1e-6 && suggestion <= 1, found.toString());
        List<String> csv = Files.readAllLines(out.resolve("lr.csv"));
        assertEquals("lr,loss,smoothed", csv.getFirst());
        assertTrue(csv.size() > 10 && csv.size() <= 61, "lines: " + csv.size());
        assertEquals(900, ImageIO.read(out.resolve("lr.png").toFile()).getWidth());
        assertFalse(Files.exists(out.resolve("log.jsonl")));
        assertFalse(Files.exists(out.resolve("model.safetensors")));
        start("--steps 1 --warmup 0").json();
    }

    @Test
    void recomputingChangesNothingButTheMemory() throws IOException {
        String same = "--dropout 0.2 --smoothing 0.1 --accumulate 2 --steps 3 ";
        double kept = start(same).json().get("val_loss").doubleValue();
        out = folder.resolve("other");
        assertEquals(kept, start(same + "--recompute").json().get("val_loss").doubleValue());
    }

    @Test
    void regularisationIsPartOfTheRunThatIsResumed() throws IOException {
        String options =
                "--schedule constant --warmup 0 --clip-value 0.05 --l1 1e-4 --ema 0.9 --eval-ema --smoothing 0.1"
                        + " --eval-every 2 ";
        double whole = start(options + "--steps 4").json().get("val_loss").doubleValue();
        assertTrue(Files.exists(out.resolve("average/model.safetensors")));
        out = folder.resolve("other");
        start(options + "--steps 2").json();
        assertEquals(whole, train("--resume --steps 4").json().get("val_loss").doubleValue());
    }

    /** At such a rate the model only gets worse. */
    @Test
    void patienceEndsARunWithItsBestModel() throws IOException {
        JsonNode run = start("--patience 2 --lr 5 --warmup 0 --schedule constant --eval-every 1 --steps 60")
                .json();
        assertTrue(run.get("step").asInt() < 60, run.toString());
        assertFalse(run.get("stopped").asBoolean());
        byte[] best = Files.readAllBytes(out.resolve("best/model.safetensors"));
        assertArrayEquals(best, Files.readAllBytes(out.resolve("model.safetensors")));
    }

    @Test
    void checkpointsAreKeptAndOtherDataIsRefused() throws IOException {
        start("--steps 3 --eval-every 1 --keep 2").json();
        for (String step : List.of("2", "3")) {
            assertTrue(Files.exists(out.resolve("checkpoints/step-00000000" + step + "/model.safetensors")), step);
        }
        assertFalse(Files.exists(out.resolve("checkpoints/step-000000001")));
        Files.writeString(folder.resolve("data.txt"), "eight nine ten eleven twelve thirteen\n".repeat(40));
        Run other = train("--resume --steps 4");
        assertEquals(1, other.code);
        assertTrue(other.err.contains("crc32c"), other.err);
    }
}
