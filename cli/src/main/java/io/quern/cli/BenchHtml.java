package io.quern.cli;

import java.util.List;

/** Results of {@code bench} as a page by itself: plots as inline SVG, no scripts, nothing loaded. */
final class BenchHtml {
    private static final String STYLE = """
        body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #1a1a1a; }
        table { border-collapse: collapse; font-size: 13px; }
        th, td { padding: 2px 9px; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
        th:nth-child(-n+3), td:nth-child(-n+3), td:last-child { text-align: left; }
        svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #1a1a1a; }
        svg text { paint-order: stroke; stroke: #fff; stroke-width: 3px; }
        .slower { color: #b3261e; } .faster { color: #146c2e; } .noisy { color: #8a6d00; }
        @media (prefers-color-scheme: dark) {
          body { background: #16181b; color: #e6e6e6; } th, td { border-color: #3a3d42; }
          svg text { fill: #e6e6e6; stroke: #16181b; } .slower { color: #ff8a80; } .faster { color: #7bd88f; } .noisy { color: #e0c060; }
        }
        """;

    private BenchHtml() {}

    static String page(BenchRun run, BenchComparison comparison) {
        StringBuilder s = new StringBuilder("<!DOCTYPE html>\n"
                + "<html lang=\"en\">\n"
                + "<head>\n"
                + "<meta charset=\"utf-8\"/>\n"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                + "<title>quern bench</title>\n"
                + "<style>\n" + STYLE + "</style>\n</head>\n<body>\n<h1>quern bench</h1>\n<ul>\n");
        run.machine()
                .forEach((k, v) -> s.append("<li>").append(escape(k + ": " + v)).append("</li>\n"));
        s.append("</ul>\n");
        List<BenchRow> placed = RooflineChart.placed(run);
        if (!placed.isEmpty()) {
            s.append("<h2>Roofline</h2>\n"
                    + "<p>A dot an operation: what it computes a second over how much it computes for a byte. The"
                    + " roofs are measured: multiply-adds in registers, and reading memory. Dots above the slope"
                    + " have their operands in caches.</p>\n");
            s.append(RooflineChart.svg(run));
            s.append("<h2>Part of the roof</h2>\n");
            s.append(BarChart.svg(
                    placed.stream()
                            .map(r -> new BarChart.Bar(r.key(), 100 * r.fraction(run.roofs()), ""))
                            .toList(),
                    100,
                    "%"));
        }
        if (comparison != null) {
            s.append("<h2>Against the baseline</h2>\n<pre>")
                    .append(escape(String.join("\n", comparison.text())))
                    .append("</pre>\n<p>Time as a part of the baseline's, with its interval.</p>\n");
            s.append(BarChart.svg(
                    comparison.changes().stream()
                            .map(c -> new BarChart.Bar(
                                    c.key(),
                                    100 * c.ratio(),
                                    BenchFiles.format("%.0f to %.0f", 100 * c.low(), 100 * c.high())))
                            .toList(),
                    100,
                    "%"));
        }
        return s.append(table(run)).append("</body>\n</html>\n").toString();
    }

    private static String table(BenchRun run) {
        StringBuilder s = new StringBuilder("<h2>All rows</h2>\n<table>\n<thead><tr>");
        for (String h :
                List.of("op", "shape", "dtype", "&#181;s", "sd", "GFLOP/s", "GB/s", "FLOP/B", "of the roof", "bound")) {
            s.append("<th>").append(h).append("</th>");
        }
        s.append("</tr></thead>\n<tbody>\n");
        for (BenchRow r : run.rows()) {
            boolean placed = r.bytes() > 0 && run.roofs() != null;
            s.append("<tr>");
            for (String cell : List.of(
                    r.op(),
                    r.shape(),
                    r.dtype(),
                    BenchFiles.format("%.1f", 1e6 * r.median()),
                    BenchFiles.format("%.1f", 1e6 * new Samples(r.seconds()).deviation()),
                    placed ? BenchFiles.format("%.1f", r.gflops()) : "",
                    placed ? BenchFiles.format("%.1f", r.gigabytesPerSecond()) : "",
                    placed ? BenchFiles.format("%.2f", r.intensity()) : "",
                    placed ? BenchFiles.format("%.0f %%", 100 * r.fraction(run.roofs())) : "",
                    !placed ? "" : r.boundByArithmetic(run.roofs()) ? "arithmetic" : "memory")) {
                s.append("<td>").append(escape(cell)).append("</td>");
            }
            s.append("</tr>\n");
        }
        return s.append("</tbody>\n</table>\n").toString();
    }

    static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
