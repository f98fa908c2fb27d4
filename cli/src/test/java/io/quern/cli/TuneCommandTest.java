package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TuneCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private Path out;

    private record Run(int code, String out, String err) {}

    @BeforeEach
    void writeData() throws IOException {
        out = folder.resolve("tuned");
        Files.writeString(folder.resolve("data.txt"), "one two three four five six seven\n".repeat(40));
    }

    private Run quern(List<String> args) {
        ByteArrayOutputStream stdout = new ByteArrayOutputStream();
        ByteArrayOutputStream stderr = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), stdout, stderr, false);
        int code = Main.execute(output, args.toArray(String[]::new));
        return new Run(code, stdout.toString(StandardCharsets.UTF_8), stderr.toString(StandardCharsets.UTF_8));
    }

    private Run tune(String own, String training) {
        List<String> args = new ArrayList<>(List.of("tune", "--json", "--out", out.toString()));
        args.addAll(List.of(own.split(" ")));
        if (!training.isEmpty()) {
            args.addAll(
                    List.of("--", "gpt", "--data", folder.resolve("data.txt").toString()));
            args.addAll(List.of(("--vocab-size 270 --layers 1 --hidden 8 --heads 2 --context 8 --batch 2"
                            + " --eval-batches 1 --warmup 0 " + training)
                    .split(" ")));
        }
        return quern(args);
    }

    private List<JsonNode> trials() throws IOException {
        List<JsonNode> all = new ArrayList<>();
        for (String line : Files.readAllLines(out.resolve("trials.jsonl"))) {
            all.add(JSON.readTree(line));
        }
        return all;
    }

    @Test
    void aGridTrainsEveryPointAndTheDefaults() throws IOException {
        Run r = tune("--method grid --grid-points 3 --search lr=log:1e-5..1e-1", "--steps 3 --lr 1e-4");
        assertEquals(0, r.code, r.err);
        JsonNode answer = JSON.readTree(r.out);
        List<JsonNode> all = trials();
        assertEquals(4, all.size());
        assertEquals(0, all.get(0).get("trial").asInt());
        assertEquals(1e-5, all.get(1).get("values").get("lr").asDouble());
        assertEquals(1e-3, all.get(2).get("values").get("lr").asDouble());
        double best = all.stream()
                .mapToDouble(t -> t.get("val_loss").asDouble(99))
                .min()
                .orElseThrow();
        assertEquals(best, answer.get("best").get("val_loss").asDouble());
        assertEquals(
                best,
                Receipt.read(Path.of(answer.get("folder").asText()))
                        .get("val_loss")
                        .asDouble());
        assertEquals(2, answer.get("plots").size());
        assertEquals(900, ImageIO.read(out.resolve("tune-lr.png").toFile()).getWidth());
    }

    @Test
    void aResumedSearchTriesWhatAnUnbrokenOneDoes() throws IOException {
        String search = "-q --start-trials 2 --skip-defaults --search lr=log:1e-4..1e-2 --search dropout=0..0.3";
        assertEquals(0, tune(search + " --trials 5", "--steps 2").code);
        List<JsonNode> whole = trials();
        out = folder.resolve("again");
        assertEquals(0, tune(search + " --trials 2", "--steps 2").code);
        // As if it had been killed while it wrote.
        Files.writeString(out.resolve("trials.jsonl"), Files.readString(out.resolve("trials.jsonl")) + "{\"trial\":");
        Run resumed = tune("--resume --trials 5", "");
        assertEquals(0, resumed.code, resumed.err);
        List<JsonNode> parts = trials();
        assertEquals(5, parts.size());
        for (int i = 0; i < 5; i++) {
            assertEquals(whole.get(i).get("values"), parts.get(i).get("values"));
            assertEquals(whole.get(i).get("val_loss"), parts.get(i).get("val_loss"));
        }
    }

    @Test
    void halvingTrainsTheBestLongerAndExactly() throws IOException {
        Run r = tune(
                "--method random --trials 4 --halving 2 --rounds 3 --search lr=log:1e-4..1e-2",
                "--steps 8 --eval-every 3");
        assertEquals(0, r.code, r.err);
        List<JsonNode> all = trials();
        assertEquals(
                List.of(8, 2, 2, 2, 2, 4, 4, 8),
                all.stream().map(t -> t.get("steps").asInt()).toList());
        JsonNode best = JSON.readTree(r.out).get("best");
        assertEquals(8, best.get("steps").asInt());
        // Halving stops and resumes; an unbroken run of the same options has the same loss.
        JsonNode last = all.getLast();
        Path alone = folder.resolve("alone");
        List<String> args = new ArrayList<>(List.of("train", "gpt", "-q", "--data"));
        args.add(folder.resolve("data.txt").toString());
        args.addAll(List.of(
                "--out", alone.toString(), "--lr", last.get("values").get("lr").asText()));
        args.addAll(List.of(("--vocab-size 270 --layers 1 --hidden 8 --heads 2 --context 8 --batch 2 --eval-batches 1"
                        + " --warmup 0 --steps 8 --eval-every 2")
                .split(" ")));
        assertEquals(0, quern(args).code);
        assertEquals(
                Receipt.read(alone).get("val_loss").asDouble(),
                last.get("val_loss").asDouble());
    }

    /** Two classes of pictures, dark and light. */
    private void writePictures() throws IOException {
        Random random = new Random(3);
        for (int i = 0; i < 24; i++) {
            BufferedImage image = new BufferedImage(12, 12, BufferedImage.TYPE_BYTE_GRAY);
            for (int k = 0; k < 144; k++) {
                image.getRaster().setSample(k % 12, k / 12, 0, random.nextInt(120) + 120 * (i % 2));
            }
            Path file = folder.resolve("pictures/" + i % 2 + "/" + i + ".png");
            Files.createDirectories(file.getParent());
            ImageIO.write(image, "png", file.toFile());
        }
    }

    @Test
    void halvingCountsTheUpdatesOfPicturesToo() throws IOException {
        writePictures();
        String training = "--image-size 12 --channels 1 --batch 5 --warmup 0 --seed 1 --steps 8 --data "
                + folder.resolve("pictures");
        List<String> args = new ArrayList<>(List.of("tune", "-q", "--out", out.toString()));
        args.addAll(List.of(
                "--method random --trials 2 --halving 2 --rounds 2 --search lr=log:1e-4..1e-2 -- cnn".split(" ")));
        args.addAll(List.of(training.split(" ")));
        Run r = quern(args);
        assertEquals(0, r.code, r.err);
        List<JsonNode> all = trials();
        assertEquals(
                List.of(8, 4, 4, 8),
                all.stream().map(t -> t.get("steps").asInt()).toList());
        Path alone = folder.resolve("alone");
        args = new ArrayList<>(List.of("train", "cnn", "-q", "--out", alone.toString(), "--eval-every", "4", "--lr"));
        args.add(all.getLast().get("values").get("lr").asText());
        args.addAll(List.of(training.split(" ")));
        assertEquals(0, quern(args).code);
        assertEquals(
                Receipt.read(alone).get("val_loss").asDouble(),
                all.getLast().get("val_loss").asDouble());
        args.addAll(List.of("--epochs", "1", "--resume"));
        assertEquals(2, quern(args).code, "--steps and --epochs");
    }

    @Test
    void aTrialThatDivergesIsTheWorst() throws IOException {
        Run r = tune(
                "-q --method grid --skip-defaults --search optimizer=sgd,adamw", "--steps 30 --lr 1e30 --clip 1e30");
        assertEquals(0, r.code, r.err);
        assertTrue(trials().stream().anyMatch(t -> t.get("status").asText().equals("failed")), trials().toString());
    }

    @Test
    void whatCannotBeMeantIsAUsageError() {
        for (String own : List.of("--search lr=5", "--halving 2 --search lr=0..1", "--search lr=0..1 --trials 0")) {
            assertEquals(2, tune(own, "--epochs 1").code, own);
        }
        assertEquals(2, tune("--search lr=0..1", "--steps 1 --out x").code);
        assertEquals(2, tune("--search lr=0..1", "").code);
        assertEquals(2, tune("--resume", "").code);
        Run unknown = tune("--skip-defaults --search nosuch=0..1", "--steps 1");
        assertEquals(2, unknown.code);
        assertTrue(unknown.err.contains("--nosuch"), unknown.err);
    }
}
