package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.TensorException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;

/** Files of results, and the comparison from the command line. */
class BenchReportTest {
    @TempDir
    private Path folder;

    static BenchRun run(double slowDown) {
        double[] product = {1e-3 * slowDown, 1.01e-3 * slowDown, 1.02e-3 * slowDown};
        double[] norm = {2e-4, 2.1e-4, 2.2e-4};
        return new BenchRun(
                Map.of("device", "cpu: <vectors> & \"more\""),
                new BenchRun.Roofs(400, 30, 28),
                List.of(
                        new BenchRow("matmul", "10x20x30 NN", "F32", "call", product, product, 2e8, 1e6),
                        new BenchRow("layer_norm", "512x768", "F32", "call", norm, norm, 3e6, 3e6),
                        new BenchRow("fill", "1M", "F32", "call", norm, norm, 0, 4e6)));
    }

    private record Run(int code, String out, String err) {}

    private static Run quern(String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), out, err, false);
        int code = Main.execute(output, args);
        return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    @Test
    void bothJsonFormsAreReadBack() throws IOException {
        for (String text : List.of(BenchFiles.json(run(1)), BenchFiles.jsonl(run(1)))) {
            Path file = Files.writeString(folder.resolve("results"), text);
            BenchRun read = BenchFiles.read(file);
            assertEquals(run(1).machine(), read.machine());
            assertEquals(run(1).roofs(), read.roofs());
            assertEquals(3, read.rows().size());
            BenchRow row = read.rows().getFirst();
            assertEquals("matmul 10x20x30 NN F32", row.key());
            assertArrayEquals(run(1).rows().getFirst().seconds(), row.seconds());
            assertEquals(2e8, row.flops());
        }
    }

    @Test
    void whatIsNoResultIsRefused() throws IOException {
        for (String text : List.of(
                "",
                "{}",
                "no json",
                "{\"quern_bench\":1,\"rows\":[{\"op\":\"a\"}]}",
                "{\"quern_bench\":1,\"rows\":[{\"op\":\"a\",\"seconds\":[-1],\"seconds_quartile\":[1]}]}")) {
            Path file = Files.writeString(folder.resolve("broken.json"), text);
            assertThrows(TensorException.class, () -> BenchFiles.read(file), text);
        }
        assertThrows(TensorException.class, () -> BenchFiles.read(folder.resolve("missing.json")));
    }

    @Test
    void csvAndMarkdownHaveARowEach() {
        String[] csv = BenchFiles.csv(run(1)).split("\n");
        assertEquals(4, csv.length);
        for (String line : csv) {
            assertEquals(13, line.split(",", -1).length, line);
        }
        String markdown = BenchFiles.markdown(run(1), BenchComparison.of(List.of(run(1)), run(1.3), 0.1));
        assertTrue(markdown.contains("| matmul | 10x20x30 NN | F32 | 1010.0 |"), markdown);
        assertTrue(markdown.contains("undecided matmul 10x20x30 NN F32"), markdown);
    }

    /** Also checked where there is no browser for {@link PagesInBrowserTest}. */
    @Test
    void thePageIsWellFormedAndLoadsNothing() throws Exception {
        String page = BenchHtml.page(run(1), BenchComparison.of(List.of(run(1)), run(1.3), 0.1));
        Document d = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(
                        page.replace("<!DOCTYPE html>", "").getBytes(StandardCharsets.UTF_8)));
        assertEquals(3, d.getElementsByTagName("svg").getLength());
        assertEquals(2, d.getElementsByTagName("circle").getLength(), "dots of the operations that count arithmetic");
        assertEquals(3, d.getElementsByTagName("tbody").item(0).getChildNodes().getLength() / 2);
        assertEquals(0, d.getElementsByTagName("script").getLength());
        assertFalse(page.replace("http://www.w3.org/2000/svg", "").contains("http"), "something is loaded");
        for (int i = 0; i < 2; i++) {
            var dot = d.getElementsByTagName("circle").item(i).getAttributes();
            double x = Double.parseDouble(dot.getNamedItem("cx").getNodeValue());
            double y = Double.parseDouble(dot.getNamedItem("cy").getNodeValue());
            assertTrue(x > 0 && x < 900 && y > 0 && y < 520, x + ", " + y);
        }
    }

    @Test
    void theRooflineIsAPicture() throws IOException {
        var image = ImageIO.read(new ByteArrayInputStream(RooflineChart.png(run(1))));
        assertNotNull(image);
        assertEquals(900, image.getWidth());
    }

    /** One small row: what is shown here does not depend on how many there are. */
    private static final String[] ROW = {"--quick", "--op", "rms_norm"};

    /**
     * A baseline that claims a millionth of the time of now must make the command fail, once other processes agree; impatient,
     * it does not start them, and says so by the verdict. So much because kernels may not yet be compiled where the machine is
     * busy.
     */
    @Test
    void theCommandComparesAndWrites() throws IOException {
        Path json = folder.resolve("a.json");
        Path page = folder.resolve("a.html");
        assertEquals(0, bench("--forks", "2", "--out", json + "," + page).code);
        BenchRun now = BenchFiles.read(json);
        assertEquals(1, now.rows().size());
        assertTrue(Files.size(page) > 1000);
        BenchRow row = now.rows().getFirst();
        assertEquals(2, row.processes().size());
        BenchRow.Rounds last = row.processes().getLast();
        assertEquals(KernelMeter.Care.FEW.rounds(), last.compute().length);
        for (int i = 0; i < last.least().length; i++) {
            assertTrue(last.least()[i] <= last.quick()[i] && last.quick()[i] <= last.seconds()[i]);
        }

        Path other = folder.resolve("other.jsonl");
        Files.writeString(other, BenchFiles.jsonl(times(now, 1e-6)));
        Run slower = bench("--baseline", other.toString(), "--patience", "600");
        assertEquals(1, slower.code, slower.out + slower.err);
        assertTrue(slower.out.contains("1 rows compared") && slower.out.contains("1 slower"), slower.out);
        Run undecided = bench("--baseline", other.toString(), "--patience", "0");
        assertEquals(0, undecided.code, undecided.out + undecided.err);
        assertTrue(undecided.out.contains("1 undecided"), undecided.out);
    }

    @Test
    void wrongOptionsAreToldBeforeAnythingIsMeasured() throws IOException {
        assertEquals(2, bench("--out", "a.txt").code);
        assertEquals(2, bench("--threshold", "0").code);
        assertEquals(2, bench("--forks", "0").code);
        assertEquals(1, bench("--baseline", "missing.json").code);
        Path empty = Files.createFile(folder.resolve("empty.json"));
        assertEquals(1, bench("--baseline", empty.toString()).code);
        assertTrue(empty.toFile().setExecutable(true));
        assertEquals(1, bench("--baseline", empty.toString()).code, "no program to start");
        assertEquals(2, bench("--baseline", folder.toString()).code, "a folder, but no build");
        assertEquals(2, bench("--baseline", empty + "," + folder).code, "a file and a build");
        assertEquals(1, bench("--out", folder.resolve("missing/a.json").toString()).code);
        Run unknown = bench("--op", "gelu,sofmax");
        assertEquals(2, unknown.code);
        assertTrue(unknown.err.contains("did you mean softmax?"), unknown.err);
        Path named = Files.createDirectory(folder.resolve("folder.json"));
        Run refused = bench("--out", named.toString());
        assertEquals(1, refused.code);
        assertTrue(refused.err.contains("is a folder"), refused.err);
    }

    private static BenchRun times(BenchRun run, double factor) {
        List<BenchRow> rows = run.rows().stream()
                .map(r -> new BenchRow(
                        r.op(),
                        r.shape(),
                        r.dtype(),
                        r.unit(),
                        r.processes().stream()
                                .map(p -> new BenchRow.Rounds(
                                        times(p.seconds(), factor),
                                        times(p.quick(), factor),
                                        times(p.least(), factor),
                                        p.compute(),
                                        p.memory()))
                                .toList(),
                        r.flops(),
                        r.bytes()))
                .toList();
        return new BenchRun(run.machine(), run.roofs(), rows);
    }

    private static double[] times(double[] x, double factor) {
        return Arrays.stream(x).map(v -> v * factor).toArray();
    }

    private static Run bench(String... more) {
        List<String> all = new ArrayList<>(List.of("bench", "kernels"));
        all.addAll(List.of(ROW));
        all.addAll(List.of(more));
        return quern(all.toArray(String[]::new));
    }

    /** Against itself, started through a launcher as another build would be. */
    @Test
    void twoBuildsTakeTurns() throws IOException {
        Path other = Files.createDirectory(folder.resolve("other build"));
        Path launcher = other.resolve("quern");
        String command = Builds.self().stream()
                .map(a -> "'" + a.replace("'", "'\\''") + "'")
                .collect(Collectors.joining(" "));
        Files.writeString(launcher, "#!/bin/sh\nexec " + command + " \"$@\"\n");
        assumeTrue(launcher.toFile().setExecutable(true) && File.separatorChar == '/');
        Run run = bench("--threshold", "999", "--patience", "0", "--json", "--baseline", other.toString());
        assertEquals(0, run.code, run.out + run.err);
        assertTrue(run.err.contains("the other build is " + Version.text()), run.err);
        assertTrue(run.out.contains("\"processes\":3"), run.out);
        assertEquals(2, bench("--forks", "2", "--baseline", other.toString()).code);
        Files.writeString(launcher, "#!/bin/sh\necho I am old >&2; exit 2\n");
        Run old = bench("--baseline", launcher.toString());
        assertEquals(1, old.code, old.out + old.err);
        assertTrue(old.err.contains("I am old"), old.err);
    }
}
