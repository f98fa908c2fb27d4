package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.file.AtomicFile;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A run as one HTML page that needs no other file: losses as inline SVG, results, sample, options. */
final class RunReport {
    static final String FILE = "report.html";

    private static final int WIDTH = 860;
    private static final int HEIGHT = 380;
    private static final int MARGIN = 50;

    /** Points of a curve to draw at most; each is the mean of its neighbours. */
    private static final int POINTS = 400;

    private static final List<String> RESULTS =
            List.of("step", "train_loss", "val_loss", "val_step", "test_accuracy", "seconds", "stopped");

    private static final List<String> ORIGIN = List.of(
            "command", "quern", "java", "vm", "system", "processor", "device", "kernels", "threads", "resumed_at");

    private RunReport() {}

    /** Writes the page from the receipt and the log of a run that has ended. */
    static void write(Path folder) throws IOException {
        JsonNode receipt = Receipt.read(folder);
        RunCurve curve = RunCurve.read(folder);
        StringBuilder page = new StringBuilder(1 << 16);
        String title = "quern " + receipt.path("command").asText();
        page.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>")
                .append(escaped(title))
                .append("</title><style>\n")
                .append("body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em}")
                .append("table{border-collapse:collapse}td{padding:2px 14px 2px 0;vertical-align:top}")
                .append("td:first-child{color:#666}pre{background:#f4f4f4;padding:1em;white-space:pre-wrap}")
                .append("svg text{font:12px system-ui,sans-serif;fill:#444}\n</style></head><body>\n<h1>")
                .append(escaped(title))
                .append("</h1>\n");
        results(page, receipt);
        chart(page, curve, LossChart.axis(receipt));
        String sample = lastSample(folder);
        if (sample != null) {
            page.append("<h2>Sample</h2>\n<pre>").append(escaped(sample)).append("</pre>\n");
        }
        page.append("<h2>Options</h2>\n");
        table(page, receipt.path("options"), names(receipt.path("options")));
        page.append("<h2>Made with</h2>\n");
        table(page, receipt, ORIGIN);
        page.append("<h2>Hashes (SHA-256)</h2>\n<table>\n");
        for (JsonNode input : receipt.path("data")) {
            row(page, input.path("path").asText(), input.path("sha256").asText());
        }
        for (Map.Entry<String, JsonNode> e : receipt.path("weights").properties()) {
            row(page, e.getKey(), e.getValue().asText());
        }
        page.append("</table>\n</body></html>\n");
        AtomicFile.write(folder.resolve(FILE), page.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static void results(StringBuilder page, JsonNode receipt) {
        page.append("<table>\n");
        for (String name : RESULTS) {
            if (receipt.hasNonNull(name)) {
                JsonNode v = receipt.get(name);
                row(page, name, v.isFloatingPointNumber() ? plain(v.asDouble()) : v.asText());
            }
        }
        page.append("</table>\n");
    }

    private static List<String> names(JsonNode object) {
        return object.properties().stream().map(Map.Entry::getKey).toList();
    }

    private static void table(StringBuilder page, JsonNode values, List<String> names) {
        page.append("<table>\n");
        for (String name : names) {
            if (values.hasNonNull(name)) {
                JsonNode v = values.get(name);
                row(page, name, v.isValueNode() ? v.asText() : v.toString());
            }
        }
        page.append("</table>\n");
    }

    private static void row(StringBuilder page, String name, String value) {
        page.append("<tr><td>").append(escaped(name)).append("</td><td>");
        page.append(escaped(value)).append("</td></tr>\n");
    }

    private static String lastSample(Path folder) throws IOException {
        String last = null;
        for (String line : Files.readAllLines(folder.resolve(RunCurve.FILE))) {
            if (line.contains("\"sample\"")) {
                last = new ObjectMapper().readTree(line).path("sample").asText(last);
            }
        }
        return last;
    }

    private record Point(double step, double loss) {}

    private static void chart(StringBuilder page, RunCurve curve, String axis) {
        List<Point> training = new ArrayList<>();
        List<Point> validation = new ArrayList<>();
        for (RunCurve.Point p : curve.points()) {
            if (!Float.isNaN(p.loss())) {
                training.add(new Point(p.step(), p.loss()));
            }
            if (!Float.isNaN(p.validation())) {
                validation.add(new Point(p.step(), p.validation()));
            }
        }
        training = smooth(training);
        List<Point> all = new ArrayList<>(training);
        all.addAll(validation);
        if (all.isEmpty()) {
            return;
        }
        double first = all.stream().mapToDouble(Point::step).min().orElseThrow();
        double last = all.stream().mapToDouble(Point::step).max().orElseThrow();
        double low = all.stream().mapToDouble(Point::loss).min().orElseThrow();
        double high = all.stream().mapToDouble(Point::loss).max().orElseThrow();
        Axes axes = new Axes(first, Math.max(last, first + 1), low, high > low ? high : low + 1);
        page.append("<svg viewBox=\"0 0 %d %d\" width=\"100%%\" role=\"img\" aria-label=\"losses\">\n"
                .formatted(WIDTH, HEIGHT));
        for (double y : ticks(axes.low, axes.high, 0)) {
            page.append(format(
                    "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%d\""
                            + " y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                    MARGIN, WIDTH - 10, axes.y(y), axes.y(y), MARGIN - 6, axes.y(y) + 4, plain(y)));
        }
        page.append("<text x=\"%d\" y=\"12\">%s</text>\n".formatted(MARGIN, escaped(axis)));
        for (double x : ticks(axes.first, axes.last, 1)) {
            page.append(format(
                    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", axes.x(x), HEIGHT - 10, plain(x)));
        }
        line(page, axes, training, "#4878cf", "training", WIDTH - 90);
        line(page, axes, validation, "#d65f5f", "validation", WIDTH - 12);
        page.append("</svg>\n");
    }

    /** Round numbers between two, some five of them, at least {@code least} apart. */
    static List<Double> ticks(double from, double to, double least) {
        double rough = Math.max(least, (to - from) / 5);
        double power = Math.pow(10, Math.floor(Math.log10(rough)));
        double step = power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
        List<Double> all = new ArrayList<>();
        for (long i = (long) Math.ceil(from / step); i * step <= to; i++) {
            all.add(i * step);
        }
        return all;
    }

    /** Five digits at most, which tell apart what a person compares. */
    static String plain(double x) {
        return Double.isFinite(x)
                ? new BigDecimal(x)
                        .round(new MathContext(5))
                        .stripTrailingZeros()
                        .toPlainString()
                : Double.toString(x);
    }

    private record Axes(double first, double last, double low, double high) {
        double x(double step) {
            return MARGIN + (step - first) / (last - first) * (WIDTH - MARGIN - 10);
        }

        double y(double loss) {
            return HEIGHT - MARGIN + 20 - (loss - low) / (high - low) * (HEIGHT - MARGIN);
        }
    }

    private static void line(StringBuilder page, Axes axes, List<Point> points, String colour, String name, int x) {
        if (points.isEmpty()) {
            return;
        }
        page.append("<polyline fill=\"none\" stroke-width=\"2\" stroke=\"")
                .append(colour)
                .append("\" points=\"");
        points.forEach(p -> page.append(format("%.1f,%.1f ", axes.x(p.step), axes.y(p.loss))));
        page.append("\"/>\n");
        if (points.size() < 60) {
            points.forEach(p -> page.append(format(
                    "<circle r=\"3\" fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\"/>", colour, axes.x(p.step), axes.y(p.loss))));
        }
        page.append(
                format("<text x=\"%d\" y=\"12\" text-anchor=\"end\" style=\"fill:%s\">%s</text>\n", x, colour, name));
    }

    private static List<Point> smooth(List<Point> points) {
        int per = Math.max(1, points.size() / POINTS);
        List<Point> means = new ArrayList<>();
        for (int i = 0; i + per <= points.size(); i += per) {
            List<Point> part = points.subList(i, i + per);
            means.add(new Point(
                    part.stream().mapToDouble(Point::step).average().orElseThrow(),
                    part.stream().mapToDouble(Point::loss).average().orElseThrow()));
        }
        return means;
    }

    private static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }

    /** Control characters, which an untrained model may say, have no place in a page. */
    private static String escaped(String text) {
        return text.replaceAll("[\\x00-\\x08\\x0B\\x0C\\x0E-\\x1F\\x7F]", "\uFFFD")
                .replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
