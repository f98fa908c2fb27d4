package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
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
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The commands from end to end, on the embedded model: exit codes, what goes to which stream, and the JSON contract. */
class CommandLineTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private record Run(int code, String out, String err) {
        JsonNode json() throws IOException {
            return JSON.readTree(out);
        }
    }

    private static Run quern(String... args) {
        return quern(new byte[0], args);
    }

    private static Run quern(byte[] stdin, String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(stdin), out, err, false);
        int code = Main.execute(output, args);
        return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private static void assertFails(int code, String message, Run run) {
        assertEquals(code, run.code, run.err);
        assertTrue(run.err.contains(message), run.err);
        assertFalse(run.err.contains("\tat "), "a stack trace without --verbose: " + run.err);
        assertEquals("", run.out);
    }

    @Test
    void generateStreamsTheTextAndNothingElseToStdout() throws IOException {
        Run text = quern("generate", "-p", "ROMEO:", "-n", "12", "--seed", "7");
        Run json = quern("generate", "-p", "ROMEO:", "-n", "12", "--seed", "7", "--json");
        assertEquals(0, text.code, text.err);
        assertEquals("", text.err);
        JsonNode line = json.json();
        assertEquals(line.get("text").asText() + "\n", text.out);
        assertEquals(12, line.get("tokens").size());
        assertEquals("length", line.get("finish_reason").asText());
        assertTrue(line.get("score").isNull());
        assertTrue(line.get("prompt_tokens").asInt() > 0);
        assertTrue(line.get("timings").has("decode_tok_s"));
    }

    @Test
    void theSeedDecidesTheText() throws IOException {
        String[] args = {"generate", "-p", "JULIET:", "-n", "24", "--json", "--seed"};
        JsonNode first = quern(with(args, "1")).json().get("tokens");
        assertEquals(first, quern(with(args, "1")).json().get("tokens"));
        assertNotEquals(first, quern(with(args, "2")).json().get("tokens"));
    }

    @Test
    void beamSearchReturnsTheBestSequencesWithScores() throws IOException {
        Run run = quern("generate", "-p", "The king", "--beams", "3", "--num-return", "2", "-n", "8", "--json");
        String[] lines = run.out.split("\n");
        assertEquals(2, lines.length, run.err);
        double best = JSON.readTree(lines[0]).get("score").asDouble();
        assertTrue(best >= JSON.readTree(lines[1]).get("score").asDouble());
        assertTrue(best < 0);
    }

    @Test
    void promptsComeFromStdinFilesAndIds() throws IOException {
        String[] tail = {"-n", "6", "--greedy", "--json"};
        JsonNode wanted = quern(with(new String[] {"generate", "-p", "To be"}, tail))
                .json()
                .get("tokens");
        Path file = Files.writeString(folder.resolve("prompt.txt"), "To be");
        assertEquals(
                wanted,
                quern(with(new String[] {"generate", "-f", file.toString()}, tail))
                        .json()
                        .get("tokens"));
        assertEquals(
                wanted,
                quern("To be".getBytes(StandardCharsets.UTF_8), with(new String[] {"generate"}, tail))
                        .json()
                        .get("tokens"));
        String ids = quern("tokenizer", "encode", "--text", "To be").out.strip().replace(' ', ',');
        assertEquals(
                wanted,
                quern(with(new String[] {"generate", "--prompt-tokens", ids}, tail))
                        .json()
                        .get("tokens"));
    }

    @Test
    void aStopStringEndsTheTextBeforeIt() throws IOException {
        JsonNode whole = quern("generate", "-p", "ROMEO:", "-n", "40", "--greedy", "--json")
                .json();
        String text = whole.get("text").asText();
        String stop = text.substring(text.length() / 2, text.length() / 2 + 2);
        JsonNode cut = quern("generate", "-p", "ROMEO:", "-n", "40", "--greedy", "--json", "--stop", stop)
                .json();
        assertEquals("stop", cut.get("finish_reason").asText());
        assertEquals(text.substring(0, text.indexOf(stop)), cut.get("text").asText());
    }

    @Test
    void explainGoesToStderr() {
        Run plain = quern("generate", "-p", "ROMEO:", "-n", "4", "--greedy");
        Run explained = quern("generate", "-p", "ROMEO:", "-n", "4", "--greedy", "--explain");
        assertEquals(plain.out, explained.out);
        assertEquals(4, explained.err.lines().filter(l -> l.contains("entropy")).count(), explained.err);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "generate -p x --beams 0",
                "generate -p x --temperature 0",
                "generate -p x --top-p 1.5",
                "generate -p x --greedy --sample",
                "generate -p x --early-stopping maybe",
                "generate -p x --prompt-tokens 1",
                "generate --prompt-tokens a,b",
                "generate -p x --no-such-option",
                "generate -p x -n many",
                "logits -p x --top -1",
                "train gpt --data x",
                "train gpt --data x --out y --hidden 10 --heads 3",
                "tokenizer",
                "tokenizer train --data x --out y --vocab-size 3",
                "eval",
                "nonsense"
            })
    void wrongUseExitsWith2AndOneLine(String line) {
        Run run = quern(line.split(" "));
        assertEquals(2, run.code, run.err);
        assertEquals("", run.out);
        assertTrue(run.err.startsWith("quern: "), run.err);
        assertFalse(run.err.contains("\tat "), run.err);
    }

    @Test
    void failuresNameTheThing() throws IOException {
        assertFails(1, "/no/such/model", quern("generate", "-m", "/no/such/model", "-p", "x"));
        assertFails(1, "/no/such/file", quern("generate", "-f", "/no/such/file"));
        assertFails(1, "token 99999", quern("generate", "--prompt-tokens", "99999"));
        assertFails(1, "context", quern("generate", "-p", "word ".repeat(2000)));
        assertFails(1, "no backend provides device 'abacus'", quern("generate", "-p", "x", "--device", "abacus"));
        System.setProperty("quern.cuda.driver", "/no/such/libcuda.so.1");
        assertFails(1, "no NVIDIA driver", quern("generate", "-p", "x", "--device", "cuda"));
        Path binary = Files.write(folder.resolve("binary"), new byte[] {'a', (byte) 0xFF, 'b'});
        assertFails(1, "byte 1 is 0xff", quern("generate", "-f", binary.toString()));
        Path empty = Files.writeString(folder.resolve("empty"), "");
        assertFails(1, "at least 2", quern("eval", "--text-file", empty.toString()));
        Path model = Files.createDirectory(folder.resolve("model"));
        assertFails(1, "config.json", quern("show", "-m", model.toString()));
        Files.writeString(model.resolve("config.json"), "{\"model_type\": \"mamba\"}");
        assertFails(1, "mamba", quern("show", "-m", model.toString()));
        Files.writeString(model.resolve("config.json"), "{");
        assertFails(1, "JSON", quern("show", "-m", model.toString()));
        assertFails(
                1,
                "out",
                quern(
                        "logits",
                        "-p",
                        "x",
                        "--out",
                        folder.resolve("none/out.npy").toString()));
    }

    @Test
    void verboseShowsTheStackTraceAndTheEffectiveValues() {
        assertTrue(quern("generate", "-m", "/no/such", "-p", "x", "-v").err.contains("\tat "));
        Run run = quern("generate", "-p", "ROMEO:", "-n", "2", "-v");
        assertTrue(run.err.contains("device: cpu (auto)"), run.err);
        assertTrue(run.err.contains("temperature"), run.err);
    }

    @Test
    void helpAndVersionGoToStdout() {
        for (String command : List.of("generate", "logits", "train", "eval", "tokenizer", "show", "doctor")) {
            Run help = quern(command, "--help");
            assertEquals(0, help.code);
            assertTrue(help.out.contains("Usage: quern " + command), help.out);
            assertEquals("", help.err);
        }
        assertTrue(quern("--version").out.startsWith("quern "));
    }

    @Test
    void tokenizersEncodeDecodeAndTrain() throws IOException {
        String text = "Enter KING RICHARD, and Grüße \uD83D\uDE00!";
        JsonNode encoded =
                quern("tokenizer", "encode", "--text", text, "--json").json();
        assertEquals(encoded.get("ids").size(), encoded.get("tokens").size());
        List<String> ids = new ArrayList<>(List.of("tokenizer", "decode", "--json"));
        encoded.get("ids").forEach(id -> ids.add(id.asText()));
        assertEquals(text, quern(ids.toArray(String[]::new)).json().get("text").asText());

        Path data = Files.writeString(folder.resolve("data.txt"), "the cat sat on the mat, the cat sat. ".repeat(20));
        Path out = folder.resolve("tokenizer");
        Run train =
                quern("tokenizer", "train", "--data", data.toString(), "--out", out.toString(), "--vocab-size", "270");
        assertEquals(0, train.code, train.err);
        JsonNode again = quern("tokenizer", "encode", "-m", out.toString(), "--text", "the cat", "--json")
                .json();
        assertTrue(again.get("ids").size() < 7, again.toString());
    }

    @Test
    void logitsListCandidatesAndWriteNpy() throws IOException {
        Path npy = folder.resolve("logits.npy");
        Run run = quern("logits", "-p", "ROMEO:", "--top", "3", "--json", "--out", npy.toString());
        String[] lines = run.out.split("\n");
        JsonNode last = JSON.readTree(lines[lines.length - 1]);
        assertEquals(3, last.get("next").size());
        JsonNode greedy = quern("generate", "-p", "ROMEO:", "-n", "1", "--greedy", "--json")
                .json();
        assertEquals(
                greedy.get("tokens").get(0).asInt(),
                last.get("next").get(0).get("id").asInt());
        byte[] header = Files.readAllBytes(npy);
        assertEquals('N', header[1]);
        String text = new String(header, 0, 128, StandardCharsets.ISO_8859_1);
        assertTrue(text.contains("(" + lines.length + ", "), text);
    }

    @Test
    void showAndDoctorDescribe() throws IOException {
        JsonNode show = quern("show", "--json").json();
        assertEquals("GPT2LMHeadModel", show.get("architecture").asText());
        assertTrue(show.get("parameters").asLong() > 1_000_000);
        JsonNode doctor = quern("doctor", "--json").json();
        assertTrue(doctor.get("devices").has("cpu"));
        assertTrue(doctor.get("java").has("version"));
        assertTrue(quern("doctor").out.contains("vector_api"));
    }

    @Test
    void aTrainedModelGeneratesEvaluatesAndResumes() throws IOException {
        Path data = Files.writeString(folder.resolve("data.txt"), "one two three four five six seven. ".repeat(200));
        Path out = folder.resolve("run");
        String[] small = {
            "train",
            "gpt",
            "--data",
            data.toString(),
            "--out",
            out.toString(),
            "--vocab-size",
            "280",
            "--layers",
            "1",
            "--heads",
            "2",
            "--hidden",
            "16",
            "--context",
            "16",
            "--batch",
            "4",
            "--eval-every",
            "4",
            "--warmup",
            "2",
            "-q",
            "--json"
        };
        Run first = quern(with(small, "--steps", "4"));
        assertEquals(0, first.code, first.err);
        assertEquals("", first.err);
        assertTrue(first.json().get("val_loss").isNumber());
        assertFails(2, "--resume", quern(with(small, "--steps", "8")));
        // Only what is to change is named again; the rest comes from the run.
        Run second = quern(
                "train",
                "gpt",
                "--data",
                data.toString(),
                "--out",
                out.toString(),
                "--resume",
                "--steps",
                "8",
                "-q",
                "--json");
        assertEquals(8, second.json().get("step").asInt(), second.err);
        assertEquals(4, second.json().get("batch").asInt());
        try (Stream<Path> files = Files.list(out)) {
            List<String> names =
                    files.map(f -> f.getFileName().toString()).sorted().toList();
            assertTrue(
                    names.containsAll(List.of(
                            "config.json", "log.jsonl", "loss.png", "model.safetensors", "run.json", "tokenizer.json")),
                    names.toString());
            assertTrue(names.stream().noneMatch(n -> n.endsWith(".tmp")), names.toString());
        }
        Run generated = quern("generate", "-m", out.toString(), "-p", "one", "-n", "5", "--greedy", "--json");
        assertEquals(5, generated.json().get("tokens").size(), generated.err);
        JsonNode eval = quern("eval", "-m", out.toString(), "--text-file", data.toString(), "--json")
                .json();
        assertEquals(
                Math.exp(eval.get("loss").asDouble()), eval.get("perplexity").asDouble(), 1e-9);
        assertTrue(eval.get("tokens").asLong() > 100);
    }

    @ParameterizedTest
    @EnumSource(OptimizerKind.class)
    void everyOptimizerTrainsAndResumes(OptimizerKind kind) throws IOException {
        Path data = Files.writeString(folder.resolve("data.txt"), "one two three four five six seven\n".repeat(40));
        Path out = folder.resolve("model");
        String[] start = {
            "train",
            "gpt",
            "--data",
            data.toString(),
            "--out",
            out.toString(),
            "-q",
            "--json",
            "--optimizer",
            kind.name(),
            "--vocab-size",
            "270",
            "--layers",
            "1",
            "--hidden",
            "8",
            "--heads",
            "2",
            "--context",
            "8",
            "--batch",
            "2",
            "--warmup",
            "0",
            "--eval-batches",
            "1",
            "--steps",
            "2"
        };
        Run first = quern(start);
        assertEquals(0, first.code, first.err);
        Run second = quern(
                "train",
                "gpt",
                "--data",
                data.toString(),
                "--out",
                out.toString(),
                "-q",
                "--json",
                "--resume",
                "--steps",
                "3");
        assertEquals(3, second.json().get("step").asInt(), second.err);
        assertEquals(kind.name(), second.json().get("optimizer").asText());
    }

    @Test
    void benchmarksReportTheirFigures() throws IOException {
        String[] kernels = quern("bench", "kernels", "--shape", "20x17x33", "--quick", "--json")
                .out
                .split("\n");
        assertEquals(4, kernels.length, String.join("\n", kernels));
        assertTrue(JSON.readTree(kernels[0]).get("peak_gflops").asDouble() > 0);
        JsonNode product = JSON.readTree(kernels[2]);
        assertEquals("20x17x33 NT", product.get("shape").asText());
        double flops = product.get("gflops").asDouble() * product.get("time_us").asDouble() * 1e3;
        assertEquals(2.0 * 20 * 17 * 33, flops, 33 * 20);

        JsonNode generate = quern(
                        "bench",
                        "generate",
                        "-m",
                        "small",
                        "-p",
                        "0",
                        "-n",
                        "4",
                        "-d",
                        "3",
                        "-r",
                        "2",
                        "--warm-up",
                        "0",
                        "--json")
                .json();
        assertEquals("tg4 @ d3", generate.get("test").asText());
        assertTrue(generate.get("tok_s").asDouble() > 0);
        assertTrue(generate.get("peak_mib").asDouble() > 40);
        assertTrue(generate.get("first_token_ms").asDouble() > 0);

        JsonNode narrow = quern(
                        "bench",
                        "generate",
                        "-m",
                        "small",
                        "-p",
                        "0",
                        "-n",
                        "2",
                        "-r",
                        "1",
                        "--warm-up",
                        "0",
                        "--dtype",
                        "q8_0",
                        "--json")
                .json();
        assertEquals("Q8_0", narrow.get("dtype").asText());
        JsonNode train = quern("bench", "train", "-m", "small", "--batch", "1", "--time", "8", "-r", "1", "--json")
                .json();
        assertTrue(train.get("tok_s").asDouble() > 0);
        assertTrue(train.get("last_loss").asDouble() < train.get("first_loss").asDouble());
    }

    @Test
    void listsOfPromptsAndDepthsAreMeasuredInAllCombinations() throws IOException {
        Run run = quern("bench generate -m small -p 4,9 -n 2 -d 1,7 -r 1 --warm-up 0 --json".split(" "));
        List<String> tests = new ArrayList<>();
        for (String line : run.out.split("\n")) {
            JsonNode test = JSON.readTree(line);
            tests.add(test.get("test").asText());
            assertTrue(test.get("tok_s").asDouble() > 0, line);
            assertTrue(test.get("first_token_ms").asDouble() > 0, line);
        }
        assertEquals(List.of("pp4", "pp9", "tg2", "pp4 @ d7", "pp9 @ d7", "tg2 @ d7"), tests, run.err);
        assertFails(
                2,
                "pp200 @ d100 takes 301 tokens",
                quern("bench generate -m small -p 200 -n 0 -d 100 --warm-up 0".split(" ")));
    }

    @Test
    void benchmarksOfMoreTokensThanTheContextNeedNoMoreMemory() throws IOException {
        long live = Device.CPU.backend().memory().live();
        JsonNode line = quern(("bench generate -m small -p 0 -n 600 --beams 1 -r 1 --warm-up 0 --json").split(" "))
                .json();
        assertEquals("tg600", line.get("test").asText());
        assertEquals(0, line.get("native_growth_mib").asDouble());
        assertEquals(live, Device.CPU.backend().memory().live());
        JsonNode beams = quern(("bench generate -m small -p 0 -n 3 --beams 2 -r 1 --warm-up 0 --json").split(" "))
                .json();
        assertEquals("tg3 b2", beams.get("test").asText());
        assertTrue(beams.get("first_token_ms").isNull());
    }

    @Test
    void benchmarksRefuseWhatCannotBeMeasured() {
        assertFails(2, "say what to measure", quern("bench"));
        assertFails(2, "such as 512x768x2304", quern("bench", "kernels", "--shape", "5x5"));
        assertFails(2, "operations are", quern("bench", "kernels", "--op", "nothing"));
        assertFails(2, "the model has 256", quern("bench", "generate", "-m", "small", "-p", "300"));
        assertFails(2, "longer than the model's context", quern("bench", "train", "-m", "small", "--time", "257"));
        assertFails(1, "no-such-model", quern("bench", "generate", "-m", "no-such-model"));
    }

    @Test
    void aConfigFileGivesOptionsThatTheCommandLineOverrides() throws IOException {
        Path config = Files.writeString(folder.resolve("c.json"), "{\"layers\": 3, \"no-such\": 1}");
        assertFails(2, "--no-such", quern("train", "gpt", "--config", config.toString()));
        Files.writeString(config, "{\"layers\": \"three\"}");
        assertFails(2, "layers cannot be \"three\"", quern("train", "gpt", "--config", config.toString()));
        Files.writeString(config, "{\"optimizer\": \"best\"}");
        assertFails(2, "but one of [adamw", quern("train", "gpt", "--config", config.toString()));
    }

    private static String[] with(String[] args, String... more) {
        String[] all = java.util.Arrays.copyOf(args, args.length + more.length);
        System.arraycopy(more, 0, all, args.length, more.length);
        return all;
    }
}
