package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EventLogTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static TrainEvent.Step step(long step, double validationLoss) {
        return new TrainEvent.Step(step, 3.14159265358979, 3e-4, 0.5, 1234.56, validationLoss, 1.5, 3 << 20);
    }

    @Test
    void everyStepIsOneObject(@TempDir Path dir) throws IOException {
        Path file = dir.resolve("log.jsonl");
        try (EventLog log = new EventLog(file)) {
            log.on(new TrainEvent.Started(0, 2, 10, "tok"));
            log.on(step(1, Double.NaN));
            JsonNode line = JSON.readTree(Files.readString(file));
            assertEquals(1, line.get("step").asInt());
            assertEquals(3.1415927, line.get("loss").asDouble());
            assertEquals(3e-4, line.get("lr").asDouble());
            assertEquals(0.5, line.get("grad_norm").asDouble());
            assertEquals(1235, line.get("tok_s").asDouble());
            assertEquals(1.5, line.get("elapsed_s").asDouble());
            assertEquals(3, line.get("peak_mib").asDouble());
            assertNull(line.get("val_loss"), "it was not measured");
            log.on(step(2, 2.5));
            log.on(new TrainEvent.Sampled(2, "To \"be\"\nor"));
            log.on(new TrainEvent.Saved(2, dir, true));
            log.on(new TrainEvent.Ended(new TrainResult(2, 3, 2.5, 2, false, 1)));
        }
        List<String> lines = Files.readAllLines(file);
        assertEquals(5, lines.size());
        assertEquals(2.5, JSON.readTree(lines.get(1)).get("val_loss").asDouble());
        assertEquals("To \"be\"\nor", JSON.readTree(lines.get(2)).get("sample").asText());
        assertEquals("best", JSON.readTree(lines.get(3)).get("saved").asText());
        assertEquals("complete", JSON.readTree(lines.get(4)).get("ended").asText());
    }

    @Test
    void aResumedRunReplacesTheStepsItDoesAgain(@TempDir Path dir) throws IOException {
        Path file = dir.resolve("log.jsonl");
        try (EventLog log = new EventLog(file)) {
            log.on(new TrainEvent.Started(0, 9, 10, "tok"));
            for (int i = 1; i <= 4; i++) {
                log.on(step(i, Double.NaN));
            }
        }
        Files.writeString(file, "{\"step\":5,\"lo", StandardOpenOption.APPEND);
        try (EventLog log = new EventLog(file)) {
            log.on(new TrainEvent.Started(3, 9, 10, "tok"));
            log.on(step(4, 1.25));
        }
        List<String> lines = Files.readAllLines(file);
        assertEquals(4, lines.size());
        for (int i = 0; i < 4; i++) {
            assertEquals(i + 1, JSON.readTree(lines.get(i)).get("step").asInt());
        }
        assertTrue(lines.get(3).contains("1.25"));
    }

    @Test
    void aNewRunBeginsANewLog(@TempDir Path dir) throws IOException {
        Path file = dir.resolve("log.jsonl");
        Files.writeString(file, "{\"step\":1}\n");
        try (EventLog log = new EventLog(file)) {
            log.on(new TrainEvent.Started(0, 9, 10, "tok"));
        }
        assertEquals(0, Files.size(file));
    }
}
