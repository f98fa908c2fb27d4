package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/** Chromium without a window, where one is installed. */
final class Browser {
    private static final List<String> NAMES = List.of("chromium", "chromium-browser", "google-chrome", "chrome");

    private final Path program;
    private final Path folder;

    /**
     * What it made of a page.
     *
     * @param console its messages, such as errors of scripts and files that could not be loaded
     * @param elements the page as it stands after loading
     */
    record View(List<String> console, String elements, Path screenshot) {}

    private Browser(Path program, Path folder) {
        this.program = program;
        this.folder = folder;
    }

    /**
     * The browser on the path; the test is skipped where there is none.
     *
     * @param folder for its files
     */
    static Browser find(Path folder) {
        for (String name : NAMES) {
            for (String path : System.getenv().getOrDefault("PATH", "").split(File.pathSeparator)) {
                Path program = Path.of(path, name);
                if (Files.isExecutable(program)) {
                    return new Browser(program, folder);
                }
            }
        }
        String message = "no " + String.join(", ", NAMES) + " on the PATH: the HTML pages are not opened in a browser";
        System.err.println("SKIPPED: " + message);
        Assumptions.abort(message);
        throw new AssertionError("not reached");
    }

    /** Opens a page, in a window of this size. */
    View open(Path page, int width, int height) throws IOException, InterruptedException {
        Path log = folder.resolve("chromium.log");
        Path dom = folder.resolve("dom.html");
        Path screenshot = folder.resolve(page.getFileName() + ".png");
        for (List<String> what : List.of(List.of("--dump-dom"), List.of("--screenshot=" + screenshot))) {
            Process p = new ProcessBuilder(
                            program.toString(),
                            "--headless",
                            "--no-sandbox",
                            "--disable-gpu",
                            "--hide-scrollbars",
                            "--user-data-dir=" + folder.resolve("profile"),
                            "--enable-logging=stderr",
                            "--v=0",
                            "--window-size=" + width + "," + height,
                            what.getFirst(),
                            page.toUri().toString())
                    .redirectError(log.toFile())
                    .redirectOutput(what.getFirst().equals("--dump-dom") ? dom.toFile() : log.toFile())
                    .start();
            try {
                assertTrue(p.waitFor(120, TimeUnit.SECONDS), "the browser does not end");
            } finally {
                p.destroyForcibly();
            }
            assertTrue(p.exitValue() == 0, Files.readString(log, StandardCharsets.ISO_8859_1));
        }
        List<String> console = Files.readAllLines(log, StandardCharsets.ISO_8859_1).stream()
                .filter(l -> l.contains(":CONSOLE"))
                .toList();
        return new View(console, Files.readString(dom), screenshot);
    }
}
