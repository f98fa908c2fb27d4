package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.testing.Recorded;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** {@code --jfr}: what is in the file, when it is written, and that without it nothing of the recorder is loaded. */
class JfrOptionTest {
    @TempDir
    private Path folder;

    private record Run(int code, String out, String err) {}

    private static Run quern(String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), out, err, false);
        int code = Main.execute(output, args);
        return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private Process start(List<String> options, String... args) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED"));
        command.addAll(options);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "io.quern.cli.Main"));
        command.addAll(List.of(args));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    private void nothingIsLeft(String... names) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(
                    List.of(names),
                    files.map(f -> f.getFileName().toString()).sorted().toList());
        }
    }

    @Test
    void generatingRecordsTokensKernelsAllocationsAndTransfers() throws IOException {
        Path file = Files.writeString(folder.resolve("a.jfr"), "an older file");
        Run run = quern("generate", "-p", "ROMEO:", "-n", "5", "--greedy", "--jfr", file.toString());
        assertEquals(0, run.code, run.err);
        assertEquals("", run.err);
        nothingIsLeft("a.jfr");
        assertEquals(5, Recorded.read(file, "Token").size());
        for (String name : List.of("Kernel", "Allocation", "Transfer")) {
            assertFalse(Recorded.read(file, name).isEmpty(), name);
        }
        assertTrue(RecordingFile.readAllEvents(file).stream()
                .anyMatch(e -> e.getEventType().getName().equals("jdk.CPULoad")
                        || e.getEventType().getName().equals("jdk.JVMInformation")));
    }

    @Test
    void trainingRecordsSteps() throws IOException {
        Path data = Files.writeString(folder.resolve("data.txt"), "one two three four five six seven\n".repeat(40));
        List<String> args = new ArrayList<>(List.of("train", "gpt", "-q", "--data", data.toString()));
        args.addAll(List.of("--out", folder.resolve("run").toString(), "--steps", "3"));
        args.addAll(List.of("--jfr", folder.resolve("run.jfr").toString()));
        args.addAll(List.of(("--vocab-size 270 --layers 1 --hidden 8 --heads 2 --context 8 --batch 2 --eval-batches 1")
                .split(" ")));
        Run run = quern(args.toArray(String[]::new));
        assertEquals(0, run.code, run.err);
        assertEquals(3, Recorded.read(folder.resolve("run.jfr"), "Step").size());
        assertFalse(Files.readString(folder.resolve("run/run.json")).contains("jfr"), "it is no setting of the run");
    }

    @Test
    void aCommandThatFailsLeavesItsRecording() throws IOException {
        Path file = folder.resolve("failed.jfr");
        Run run = quern("generate", "-p", "word ".repeat(2000), "--jfr", file.toString());
        assertEquals(1, run.code);
        assertTrue(run.err.contains("context"), run.err);
        assertFalse(Recorded.read(file, "Allocation").isEmpty());
        nothingIsLeft("failed.jfr");
    }

    @Test
    void whatCannotBeWrittenIsSaidBeforeTheWork() throws IOException {
        for (Path file : List.of(folder.resolve("none/a.jfr"), folder)) {
            Run run = quern("generate", "-p", "x", "-n", "2", "--jfr", file.toString());
            assertEquals(1, run.code, run.err);
            assertTrue(run.err.startsWith("quern: --jfr: " + file), run.err);
            assertEquals("", run.out);
        }
        nothingIsLeft();
        assertEquals(0, quern("generate", "--help", "--jfr", "none/a.jfr").code);
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "sends SIGINT, which a process there cannot be sent")
    void ctrlCWhileGeneratingLeavesItsTokens() throws Exception {
        Path file = folder.resolve("stopped.jfr");
        Process p = start(List.of(), "generate", "-p", "ROMEO:", "-n", "200", "--seed", "1", "--jfr", file.toString());
        try (BufferedReader out =
                new BufferedReader(new InputStreamReader(p.getInputStream(), StandardCharsets.UTF_8))) {
            out.read(); // a token is there
            p.destroy();
            assertTrue(p.waitFor(60, TimeUnit.SECONDS));
        } finally {
            p.destroyForcibly();
        }
        assertFalse(Recorded.read(file, "Token").isEmpty());
        nothingIsLeft("stopped.jfr");
    }

    /** What it would load takes a new process a tenth of a second. */
    @Test
    void withoutTheOptionNoEventAndNoRecorderIsLoaded() throws Exception {
        Path log = folder.resolve("classes.log");
        Process p = start(List.of("-Xlog:class+load:file=" + log), "generate", "-p", "x", "-n", "3", "--greedy");
        assertTrue(p.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, p.exitValue());
        List<String> loaded = Files.readAllLines(log);
        assertTrue(loaded.stream().anyMatch(l -> l.contains("io.quern.tensor.Jfr ")), "the log names classes");
        assertEquals(
                List.of(),
                loaded.stream()
                        .filter(l -> l.contains("jdk.jfr.internal.")
                                || l.matches(".*io\\.quern\\.\\S*(Kernel|Allocation|Transfer|Token|Step)Event .*"))
                        .toList());
    }
}
