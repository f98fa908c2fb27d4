package io.quern.cli;

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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code quern quantize}, and the commands that take what it writes. */
class QuantizeCommandTest {
    private static final String TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n";

    @TempDir
    Path folder;

    private record Run(int code, String out, String err) {
        JsonNode json() throws IOException {
            return new ObjectMapper().readTree(out);
        }
    }

    private static Run quern(Object... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), out, err, false);
        String[] texts = new String[args.length];
        java.util.Arrays.setAll(texts, i -> args[i].toString());
        int code = Main.execute(output, texts);
        return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    @Test
    void aQuantisedModelIsSmallerAndNearlyAsGood() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), TEXT);
        Path file = folder.resolve("small.gguf");
        Run run = quern("quantize", "--to", "q8_0", "--out", file, "--text-file", text, "--json");
        assertEquals(0, run.code, run.err);
        JsonNode line = run.json();
        assertTrue(
                line.get("bytes_after").asLong()
                        < 0.6 * line.get("bytes_before").asLong(),
                run.out);
        assertEquals(
                1,
                line.get("perplexity_after").asDouble()
                        / line.get("perplexity_before").asDouble(),
                0.02);

        JsonNode shown = quern("show", "-m", file, "--json").json();
        assertEquals("F32, Q8_0", shown.get("stored_as").asText());
        JsonNode eval = quern("eval", "-m", file, "--text-file", text, "--json").json();
        assertEquals(line.get("loss_after").asDouble(), eval.get("loss").asDouble(), 1e-6);
        Run generated = quern("generate", "-m", file, "-p", "ROMEO:", "-n", 3, "--greedy", "-v");
        assertEquals(0, generated.code, generated.err);
        assertTrue(generated.err.contains("weights (auto: matrices as the file has them)"), generated.err);

        Run again = quern("quantize", "--to", "q4_0", "--out", file);
        assertEquals(2, again.code);
        assertTrue(again.err.contains("--force"), again.err);
        long before = Files.size(file);
        assertEquals(0, quern("quantize", file, "--to", "q4_0", "--out", file, "--force").code);
        assertTrue(Files.size(file) < before);
    }

    @Test
    void halvesAreWrittenAsAFolder() throws IOException {
        Path target = folder.resolve("half");
        Run run = quern("quantize", "--to", "f16", "--out", target);
        assertEquals(0, run.code, run.err);
        assertTrue(run.out.contains("F16 6."), run.out);
        assertEquals(
                3,
                quern("logits", "-m", target, "-p", "a b c", "--top", 0)
                        .out
                        .lines()
                        .count());
        assertEquals(2, quern("quantize", "--to", "bf16", "--out", target).code);
    }

    @Test
    void wrongTypesAreUsageErrors() {
        assertEquals(2, quern("quantize", "--to", "q8_0", "--out", folder.resolve("folder")).code);
        assertEquals(2, quern("quantize", "--to", "q5_1", "--out", folder.resolve("m.gguf")).code);
        assertEquals(2, quern("generate", "-p", "a", "--dtype", "int4").code);
        assertFalse(Files.exists(folder.resolve("m.gguf")));
    }
}
