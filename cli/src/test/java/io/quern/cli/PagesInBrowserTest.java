package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The HTML pages, opened in a browser where there is one. */
class PagesInBrowserTest {
    private static final int WIDTH = 1000;
    private static final int HEIGHT = 1400;

    @TempDir
    private Path folder;

    private void opens(Path page, int pictures) throws Exception {
        Browser.View view = Browser.find(folder).open(page, WIDTH, HEIGHT);
        assertEquals(List.of(), view.console());
        assertEquals(pictures, view.elements().split("<svg ", -1).length - 1);
        BufferedImage image = ImageIO.read(view.screenshot().toFile());
        assertEquals(WIDTH, image.getWidth());
        Set<Integer> colours = new HashSet<>();
        int[] line = new int[WIDTH];
        for (int y = 0; y < image.getHeight(); y++) {
            image.getRGB(0, y, WIDTH, 1, line, 0, WIDTH);
            for (int c : line) {
                colours.add(c);
            }
        }
        assertTrue(colours.size() > 20, "the page is empty: " + colours.size() + " colours");
    }

    @Test
    void theBenchReport() throws Exception {
        BenchRun before = BenchReportTest.run(1);
        String page = BenchHtml.page(before, BenchComparison.of(List.of(before), BenchReportTest.run(1.3), 0.1));
        opens(Files.writeString(folder.resolve("bench.html"), page), 3);
    }

    @Test
    void theReportOfATraining() throws Exception {
        Browser.find(folder);
        Path data = Files.writeString(folder.resolve("a&b.txt"), "one two three four five six seven\n".repeat(40));
        Path run = folder.resolve("run");
        List<String> args = new ArrayList<>(List.of("train", "gpt", "-q", "--data", data.toString()));
        args.addAll(List.of("--out", run.toString()));
        args.addAll(List.of(("--vocab-size 270 --layers 1 --hidden 8 --heads 2 --context 8 --batch 2 --eval-batches 1"
                        + " --steps 4 --eval-every 2 --sample-every 4")
                .split(" ")));
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), new ByteArrayOutputStream(), err, false);
        assertEquals(0, Main.execute(output, args.toArray(String[]::new)), err.toString(StandardCharsets.UTF_8));
        opens(run.resolve("report.html"), 1);
    }

    /** Otherwise an empty console would say nothing. */
    @Test
    void aPageWithAnErrorIsNoticed() throws Exception {
        Path page = Files.writeString(
                folder.resolve("broken.html"),
                "<!DOCTYPE html><html><body><script>missing();</script><img src=\"none.png\"></body></html>");
        Browser.View view = Browser.find(folder).open(page, 300, 300);
        assertFalse(view.console().isEmpty());
    }
}
