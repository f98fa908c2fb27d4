package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReplayCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private Path data;
    private Path run;

    private record Result(int code, String out, String err) {
        JsonNode json() throws IOException {
            assertTrue(out.startsWith("{"), err);
            return JSON.readTree(out);
        }
    }

    private static Result quern(String... args) {
        ByteArrayOutputStream stdout = new ByteArrayOutputStream();
        ByteArrayOutputStream stderr = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), stdout, stderr, false);
        int code = Main.execute(output, args);
        return new Result(code, stdout.toString(StandardCharsets.UTF_8), stderr.toString(StandardCharsets.UTF_8));
    }

    private Result train(String more) {
        List<String> args = new ArrayList<>(List.of("train", "gpt", "-q", "--json", "--data", data.toString()));
        args.addAll(List.of("--out", run.toString()));
        args.addAll(List.of(more.split(" ")));
        return quern(args.toArray(String[]::new));
    }

    private Result replay(String... more) {
        List<String> args = new ArrayList<>(List.of("replay", run.toString(), "--json"));
        args.addAll(List.of(more));
        return quern(args.toArray(String[]::new));
    }

    @BeforeEach
    void trainOnce() throws IOException {
        data = folder.resolve("data.txt");
        run = folder.resolve("run");
        Files.writeString(data, "one two three four five six seven\n".repeat(40));
        Result first = train("--vocab-size 270 --layers 1 --hidden 8 --heads 2 --context 8 --batch 2 --eval-batches 1"
                + " --dropout 0.2 --warmup 2 --steps 6 --eval-every 2");
        assertEquals(0, first.code, first.err);
    }

    @Test
    void aReceiptSaysWhatTheRunWasMadeFrom() throws IOException {
        JsonNode r = Receipt.read(run);
        assertEquals("train gpt", r.get("command").asText());
        assertEquals(Hashes.of(data), r.get("data").get(0).get("sha256").asText());
        assertEquals(0.2, r.get("options").get("dropout").asDouble());
        assertEquals(6, r.get("losses").asInt());
        assertEquals(3, r.get("checkpoints").size());
        assertEquals(
                Hashes.of(run.resolve("model.safetensors")),
                r.get("weights").get("model.safetensors").asText());
        for (String key : List.of("quern", "java", "processor", "device", "kernels", "threads", "val_loss")) {
            assertTrue(r.hasNonNull(key), key);
        }
    }

    @Test
    void aRunThatIsRepeatedHasTheSameBits() throws IOException {
        for (String steps : List.of("0", "4", "5", "6")) {
            Result r = replay("--steps", steps);
            assertEquals(0, r.code, r.out + r.err);
            assertTrue(r.json().get("identical").asBoolean(), r.out);
            assertEquals(Long.parseLong(steps), r.json().get("steps").asLong());
        }
    }

    @Test
    void aStoppedRunHasAReceiptAndGoesOnToTheSameEnd() throws IOException {
        Path whole = run;
        run = folder.resolve("halves");
        String options = "--vocab-size 270 --layers 1 --hidden 8 --heads 2 --context 8 --batch 2 --eval-batches 1"
                + " --dropout 0.2 --warmup 2 --steps 6 --eval-every 2";
        assertEquals(0, train(options + " --stop-after 3").code);
        assertEquals(0, replay().code);
        assertEquals(0, train("--resume").code);
        assertEquals(Receipt.read(whole).get("weights"), Receipt.read(run).get("weights"));
        assertEquals(Receipt.read(whole).get("options"), Receipt.read(run).get("options"));
        Result again = replay();
        assertEquals(0, again.code, again.out + again.err);
    }

    @Test
    void aTamperedReceiptIsRejected() throws IOException {
        Path file = run.resolve("run.json");
        String text = Files.readString(file);
        Files.writeString(file, text.replace("\"dropout\" : 0.2", "\"dropout\" : 0.1"));
        Result r = replay("--steps", "0");
        assertEquals(1, r.code);
        assertTrue(r.err.contains("run.json was changed after the run: its seal is"), r.err);
        Files.writeString(file, text.substring(0, text.length() / 2));
        assertTrue(replay().err.contains("not valid JSON"));
        Files.writeString(file, "{}");
        assertTrue(replay().err.contains("has no seal"));
    }

    /** Whoever changes a receipt can seal it anew; the repeated run does not agree then. */
    @Test
    void aForgedReceiptIsFoundByRepeating() throws IOException {
        ObjectNode body = (ObjectNode) Receipt.read(run);
        ((ObjectNode) body.get("options")).put("lr", 2e-3);
        Receipt.write(run, JSON.convertValue(body, new com.fasterxml.jackson.core.type.TypeReference<>() {}));
        assertEquals(0, replay("--steps", "0").code);
        Result r = replay();
        assertEquals(1, r.code, r.out);
        assertFalse(r.json().get("identical").asBoolean());
        assertTrue(r.json().get("difference").asText().startsWith("step 2: loss"), r.out);
    }

    @Test
    void changedDataLogAndWeightsAreFound() throws IOException {
        String text = Files.readString(data);
        Files.writeString(data, text.replaceFirst("one", "two"));
        assertTrue(replay().err.contains("is not what the run was trained on"));
        Path moved = folder.resolve("moved.txt");
        Files.writeString(moved, text);
        Result r = replay("--steps", "2", "--data", moved.toString());
        assertEquals(0, r.code, r.err);
        Path log = run.resolve("log.jsonl");
        String lines = Files.readString(log);
        Files.writeString(log, lines.replaceFirst("\"loss\":5", "\"loss\":4"));
        assertTrue(replay().err.contains("losses are not those of the receipt"));
        Files.writeString(log, lines);
        Path weights = run.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 1] ^= 1;
        Files.write(weights, bytes);
        assertTrue(replay().err.contains("the weights were changed"));
    }

    @Test
    void imageRunsAreRepeatedToo() throws IOException {
        for (String name : List.of("a", "b")) {
            Path c = Files.createDirectories(folder.resolve("pictures/" + name));
            for (int i = 0; i < 6; i++) {
                var picture = new java.awt.image.BufferedImage(8, 8, java.awt.image.BufferedImage.TYPE_BYTE_GRAY);
                picture.getRaster().setSample(i, name.equals("a") ? 1 : 6, 0, 200);
                javax.imageio.ImageIO.write(
                        picture, "png", c.resolve(i + ".png").toFile());
            }
        }
        run = folder.resolve("cnn");
        Result first = quern(
                "train",
                "cnn",
                "-q",
                "--data",
                folder.resolve("pictures").toString(),
                "--out",
                run.toString(),
                "--image-size",
                "28",
                "--channels",
                "1",
                "--epochs",
                "2",
                "--batch",
                "2",
                "--shift",
                "1",
                "--warmup",
                "1");
        assertEquals(0, first.code, first.err);
        Result r = replay();
        assertEquals(0, r.code, r.out + r.err);
        assertTrue(r.json().get("steps").asLong() > 2);
    }
}
