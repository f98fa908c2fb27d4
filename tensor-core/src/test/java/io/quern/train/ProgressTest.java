package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ProgressTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final AtomicLong nanos = new AtomicLong();

    private Progress progress(boolean terminal, boolean colour) {
        PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        return new Progress(out, terminal, colour, 10, nanos::get);
    }

    private static TrainEvent.Step step(long step, double loss, double validationLoss) {
        return new TrainEvent.Step(step, loss, 1e-3, 1, 12_345, validationLoss, step, 0);
    }

    private String shown() {
        return bytes.toString(StandardCharsets.UTF_8).replace(System.lineSeparator(), "\n");
    }

    private void run(Progress p) {
        p.on(new TrainEvent.Started(0, 100, 5000, "tok"));
        for (int i = 1; i <= 100; i++) {
            nanos.addAndGet(1_000_000_000L);
            p.on(step(i, 5 - i / 100.0, i == 100 ? 4.125 : Double.NaN));
        }
        p.on(new TrainEvent.Saved(100, Path.of("out"), false));
        p.on(new TrainEvent.Ended(new TrainResult(100, 4, 4.125, 100, false, 100)));
    }

    @Test
    void awayFromATerminalALineComesEveryFewSeconds() {
        run(progress(false, true));
        String[] lines = shown().split("\n");
        assertEquals("1/100  loss 4.9900  12.3k tok/s  ETA 1:39", lines[0]);
        assertEquals("11/100  loss 4.8900  12.3k tok/s  ETA 1:29", lines[1]);
        assertEquals("100/100  loss 4.0000  val 4.1250  12.3k tok/s  ETA 0:00", lines[10]);
        assertEquals("step 100: saved to out", lines[11]);
        assertEquals("done at step 100 of 100 after 1:40, best validation loss 4.1250 at step 100", lines[12]);
        assertEquals(13, lines.length);
        assertFalse(shown().contains("\r") || shown().contains("\033"));
    }

    @Test
    void onATerminalOneLineIsDrawnOverAndOver() {
        run(progress(true, false));
        String text = shown();
        assertTrue(text.contains("\r50/100 [==========          ]  loss 4.5000  12.3k tok/s  ETA 0:50"), text);
        assertFalse(text.contains("\033"), "no colour");
        assertEquals(2 + 1, text.split("\n").length);
        assertTrue(text.contains("\nstep 100: saved to out\n"));
    }

    @Test
    void theBarIsColouredOnATerminalOnly() {
        run(progress(true, true));
        assertTrue(shown().contains("\033[32m==========\033[0m"));
    }

    @Test
    void aShorterLineCoversTheLongerOneBefore() {
        Progress p = progress(true, false);
        p.on(new TrainEvent.Started(0, 100, 5000, "tok"));
        nanos.addAndGet(1_000_000_000L);
        p.on(step(1, 12345.5, Double.NaN));
        nanos.addAndGet(1_000_000_000L);
        p.on(step(2, 1.5, Double.NaN));
        String[] drawn = shown().split("\r");
        assertEquals(drawn[1].length(), drawn[2].length());
    }

    @Test
    void timesAreShort() {
        assertEquals("0:05", Progress.time(5));
        assertEquals("12:34", Progress.time(754));
        assertEquals("2:00:01", Progress.time(7201));
    }
}
