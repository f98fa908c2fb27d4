package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunReportTest {
    @TempDir
    Path folder;

    @Test
    void aRunEndsWithAPageOfItsOwnAndEventFilesIfAsked() throws Exception {
        Path data = folder.resolve("a<b>&.txt");
        Files.writeString(data, "one two three four five six seven\n".repeat(40));
        Path run = folder.resolve("run");
        List<String> args =
                new ArrayList<>(List.of("train", "gpt", "--data", data.toString(), "--out", run.toString()));
        args.addAll(List.of(("--vocab-size 270 --layers 1 --hidden 8 --heads 2 --context 8 --batch 2 --eval-batches 1"
                        + " --steps 4 --eval-every 2 --sample-every 4 --tensorboard")
                .split(" ")));
        ByteArrayOutputStream stderr = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), new ByteArrayOutputStream(), stderr, false);
        assertEquals(0, Main.execute(output, args.toArray(String[]::new)), stderr.toString(StandardCharsets.UTF_8));
        String page = Files.readString(run.resolve("report.html"));
        for (String needed : List.of(
                "<svg", "<polyline", "training", "validation", "val_loss", "Sample", "dropout", "(nats per token)")) {
            assertTrue(page.contains(needed), needed);
        }
        assertTrue(page.contains("a&lt;b&gt;&amp;.txt"), page);
        assertTrue(page.contains(Hashes.of(data)), page);
        assertFalse(page.contains("src=") || page.contains("href=") || page.contains("http"), "needs another file");
        wellFormed(page);
        try (Stream<Path> events = Files.list(run.resolve("tensorboard"))) {
            assertEquals(1, events.count());
        }
    }

    @Test
    void axesAndResultsHaveRoundNumbers() {
        assertEquals(List.of(0.0, 2000.0, 4000.0, 6000.0), RunReport.ticks(0, 7500, 1));
        assertEquals(List.of(1.0, 2.0), RunReport.ticks(1, 2, 1));
        assertEquals(4, RunReport.ticks(0.021, 2.31, 0).size());
        assertEquals("287.78", RunReport.plain(287.77836432));
        assertEquals("0.0095046", RunReport.plain(0.009504608809947968));
        assertEquals("NaN", RunReport.plain(Double.NaN));
    }

    /** The page is XML but for its first line and the one tag without an end. */
    private static void wellFormed(String page) throws Exception {
        String xml = page.substring(page.indexOf("<html")).replace("<meta charset=\"utf-8\">", "");
        javax.xml.parsers.DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8)));
    }
}
