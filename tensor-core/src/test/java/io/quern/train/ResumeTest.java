package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.train.data.TokenDataset;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Plateau;
import io.quern.train.optim.Schedule;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResumeTest extends LeakChecked {
    @TempDir
    private Path dir;

    private Path state() {
        return dir.resolve(Trainer.STATE_FILE);
    }

    private static void assertSameBits(Map<String, int[]> expected, Map<String, int[]> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((name, bits) -> assertArrayEquals(bits, actual.get(name), name));
    }

    @Test
    void trainingInTwoRunsEndsWithTheBitsOfOneRun(@TempDir Path other) throws IOException {
        try (ResumeRun whole = new ResumeRun(other);
                ResumeRun resumed = new ResumeRun(dir)) {
            TrainResult expected = whole.trainer.steps(26).run();
            try (ResumeRun first = new ResumeRun(dir)) {
                first.trainer.steps(13).run();
            }
            resumed.trainer.resume(state());
            assertEquals(TrainState.read(state()), resumed.trainer.state());
            TrainResult result = resumed.trainer.steps(26).run();
            assertSameBits(whole.bits(), resumed.bits());
            assertEquals(expected.loss(), result.loss());
            assertEquals(expected.bestLoss(), result.bestLoss());
            assertEquals(expected.bestStep(), result.bestStep());
            assertEquals(26, resumed.optimizer.steps());
        }
    }

    /**
     * 200 steps, and 100 steps, 3 more that are lost, kill -9 in the middle of the next, and 100 steps after resuming: with
     * dropout, micro-batches and in the middle of an epoch.
     */
    @Test
    void aRunThatIsKilledAndResumedEndsWithTheBitsOfOneRun(@TempDir Path other) throws Exception {
        Process process = start(dir, 104);
        try (BufferedReader out = process.inputReader()) {
            assertEquals("in mid-step", out.readLine());
        } finally {
            process.destroyForcibly().waitFor();
        }
        assertEquals(128 + 9, process.exitValue(), "killed by signal 9");
        TrainState saved = TrainState.read(state());
        assertEquals(100, saved.step());
        long perEpoch = ResumeRun.SONG.shuffledWindows(4, 8, 5).perEpoch();
        assertTrue(saved.batchesTaken() % perEpoch != 0, "in mid-epoch");
        try (ResumeRun resumed = new ResumeRun(dir);
                ResumeRun whole = new ResumeRun(other)) {
            TrainResult result = resumed.trainer.resume(state()).steps(200).run();
            TrainResult expected = whole.trainer.steps(200).run();
            assertSameBits(whole.bits(), resumed.bits());
            assertEquals(expected.bestLoss(), result.bestLoss());
            assertEquals(expected.bestStep(), result.bestStep());
        }
    }

    private static Process start(Path dir, int lastStep) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path")));
        // Sums depend on the width of vectors and on what multiplies.
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(a -> a.startsWith("-XX:MaxVectorSize") || a.startsWith("-Dquern.cpu."))
                .forEach(command::add);
        command.addAll(List.of(ResumeRun.class.getName(), dir.toString(), "" + lastStep));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    @Test
    void theLastCheckpointsAreKept(@TempDir Path other) throws IOException {
        Path history = dir.resolve(Trainer.HISTORY_FOLDER);
        Path half = Files.createDirectories(history.resolve(".step-000000002.tmp"));
        Files.writeString(half.resolve("model"), "half");
        try (ResumeRun run = new ResumeRun(dir);
                ResumeRun back = new ResumeRun(other)) {
            run.trainer.keepLast(2).steps(17).run();
            try (var files = Files.list(history)) {
                assertEquals(
                        Set.of("step-000000015", "step-000000017"),
                        files.map(f -> f.getFileName().toString()).collect(Collectors.toSet()));
            }
            Path older = history.resolve("step-000000015");
            assertEquals("weights", Files.readString(older.resolve("model")));
            back.trainer.resume(older.resolve(Trainer.STATE_FILE)).steps(17).run();
            assertSameBits(run.bits(), back.bits());
        }
    }

    @Test
    void theStateTellsHowTheRunWasMade() throws IOException {
        try (ResumeRun run = new ResumeRun(dir)) {
            run.trainer.steps(3).run();
        }
        TrainState s = TrainState.read(state());
        assertEquals(3, s.step());
        assertEquals(6, s.batchesTaken());
        assertEquals(3, s.optimizerSteps());
        assertEquals(7, s.seed());
        assertEquals(3, s.bestStep());
        assertEquals(Map.of("width", 8), s.config());
        try (var files = Files.list(dir)) {
            assertEquals(
                    Set.of("model", Trainer.STATE_FILE, "best"),
                    files.map(f -> f.getFileName().toString()).collect(Collectors.toSet()),
                    "no temporary file is left");
        }
    }

    @Test
    void aStateOfAnotherRunIsRefusedAndNothingChanges() throws IOException {
        try (ResumeRun run = new ResumeRun(dir)) {
            run.trainer.steps(2).run();
        }
        try (ResumeRun wider = new ResumeRun(dir, 7, 9)) {
            Map<String, int[]> before = wider.bits();
            String message = assertThrows(TrainException.class, () -> wider.trainer.resume(state()))
                    .getMessage();
            assertTrue(
                    message.contains("table.weight") && message.contains("[11, 8]") && message.contains("[11, 9]"),
                    message);
            assertSameBits(before, wider.bits());
        }
        try (ResumeRun seeded = new ResumeRun(dir, 8, 8)) {
            String message = assertThrows(TrainException.class, () -> seeded.trainer.resume(state()))
                    .getMessage();
            assertTrue(message.contains("seed 7") && message.contains("8"), message);
        }
        try (Models.Line line = new Models.Line(2);
                AdamW adamW = new AdamW(ParamGroup.all(line, 0), 0.9, 0.999, 1e-8)) {
            String message = assertThrows(TrainException.class, () -> TrainState.restore(state(), adamW, Map.of()))
                    .getMessage();
            assertTrue(message.contains("model.layer.bias") && message.contains("model.hidden.bias"), message);
        }
    }

    @Test
    void whatAKilledRunLeftHalfWrittenIsRemoved() throws IOException {
        Path half = dir.resolve("." + Trainer.STATE_FILE + "." + UUID.randomUUID() + ".tmp");
        Files.writeString(half, "half");
        Path other = dir.resolve(".notes.tmp");
        Files.writeString(other, "of somebody else");
        try (ResumeRun run = new ResumeRun(dir)) {
            run.trainer.steps(1).run();
        }
        assertFalse(Files.exists(half));
        assertTrue(Files.exists(other));
    }

    @Test
    void otherDataIsRefused() throws IOException {
        try (ResumeRun run = new ResumeRun(dir)) {
            run.trainer.steps(2).run();
        }
        TokenDataset other = TokenDataset.of(
                IntStream.range(0, 400).map(i -> i == 399 ? 1 : i * i % 11).toArray());
        try (ResumeRun run = new ResumeRun(dir, 7, 8, other.randomCrops(4, 8, 5), Schedule.constant(1))) {
            String message = assertThrows(TrainException.class, () -> run.trainer.resume(state()))
                    .getMessage();
            assertTrue(message.contains("400 tokens of 4 bytes, crc32c"), message);
        }
    }

    @Test
    void aScheduleGoesOnWithWhatItRemembers() throws IOException {
        // Losses never halve, so that every second validation lowers the rate.
        Supplier<Schedule> plateau = () -> new Plateau(0.01, 0.5, 0, 0.5, 0, 0);
        var crops = ResumeRun.SONG.randomCrops(4, 8, 5);
        try (ResumeRun first = new ResumeRun(dir, 7, 8, crops, plateau.get())) {
            first.trainer.steps(15).run();
        }
        try (ResumeRun resumed = new ResumeRun(dir, 7, 8, crops, plateau.get());
                ResumeRun constant = new ResumeRun(dir, 7, 8, crops, Schedule.constant(1))) {
            resumed.trainer.resume(state());
            assertEquals(0.0025, resumed.trainer.state().schedule().get("lr"), 1e-12);
            Map<String, int[]> before = constant.bits();
            String message = assertThrows(TrainException.class, () -> constant.trainer.resume(state()))
                    .getMessage();
            assertTrue(message.contains("schedule"), message);
            assertSameBits(before, constant.bits());
        }
    }

    @Test
    void aDamagedStateIsRefused() throws IOException {
        try (ResumeRun run = new ResumeRun(dir)) {
            run.trainer.steps(2).run();
            byte[] whole = Files.readAllBytes(state());
            Map<String, int[]> before = run.bits();
            for (int length : new int[] {0, 5, 100, whole.length / 2, whole.length - 1}) {
                Files.write(state(), Arrays.copyOf(whole, length));
                String message = assertThrows(RuntimeException.class, () -> run.trainer.resume(state()))
                        .getMessage();
                assertTrue(message.contains(Trainer.STATE_FILE), message);
            }
            assertSameBits(before, run.bits());
        }
    }
}
