package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.Device;
import io.quern.tensor.testing.Recorded;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.consumer.RecordedEvent;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code bench train}: lists, and the events of its steps. */
class BenchTrainTest {
    @TempDir
    private Path folder;

    private static String quern(int expected, String line) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Main.execute(new Output(new ByteArrayInputStream(new byte[0]), out, err, false), line.split(" "));
        assertEquals(expected, code, err.toString(StandardCharsets.UTF_8));
        return out.toString(StandardCharsets.UTF_8);
    }

    @Test
    void listsAreMeasuredInAllCombinationsAndStepsAreEvents() throws IOException {
        Path file = folder.resolve("a.jfr");
        String out = quern(0, "bench train -m small --batch 1,2 --time 4,6 --dtype f32,bf16 -r 2 --json --jfr " + file);
        List<String> tests = new ArrayList<>();
        List<JsonNode> lines = new ArrayList<>();
        for (String line : out.split("\n")) {
            JsonNode n = new ObjectMapper().readTree(line);
            tests.add(n.get("dtype").asText() + " " + n.get("batch") + "x" + n.get("time"));
            lines.add(n);
            assertTrue(n.get("tok_s").asDouble() > 0);
            assertEquals(Device.CPU.backend().description(), n.get("impl").asText());
        }
        assertEquals(
                List.of("F32 1x4", "F32 1x6", "F32 2x4", "F32 2x6", "BF16 1x4", "BF16 1x6", "BF16 2x4", "BF16 2x6"),
                tests);
        List<RecordedEvent> steps = Recorded.read(file, "Step");
        assertEquals(8 * 4, steps.size(), "two to warm up and two measured, of each");
        for (int i = 0; i < 8; i++) {
            RecordedEvent first = steps.get(4 * i);
            assertEquals(1, first.getLong("step"));
            assertEquals(lines.get(i).get("first_loss").asDouble(), first.getDouble("loss"));
            assertEquals(
                    lines.get(i).get("batch").asLong()
                            * lines.get(i).get("time").asLong(),
                    first.getLong("items"));
            RecordedEvent last = steps.get(4 * i + 3);
            assertEquals(lines.get(i).get("last_loss").asDouble(), last.getDouble("loss"));
            assertTrue(last.getDouble("gradientNorm") > 0);
        }
    }

    @Test
    void whatCannotBeMeasuredIsRefusedBeforeAnythingRuns() {
        assertEquals("", quern(2, "bench train -m small --batch 2,0"));
        assertEquals("", quern(2, "bench train -m small --dtype f32,q8_0"));
        assertEquals("", quern(2, "bench train -m small --time 257"));
    }
}
