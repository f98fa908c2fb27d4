package io.quern.cli;

import java.util.List;

/** Horizontal bars as SVG. */
final class BarChart {
    private static final int LABEL = 380;
    private static final int WIDTH = 900;
    private static final int ROW = 18;

    /**
     * A bar.
     *
     * @param note behind its value
     */
    record Bar(String label, double value, String note) {}

    private BarChart() {}

    /** Bars with a line at {@code mark}. */
    static String svg(List<Bar> bars, double mark, String unit) {
        double most = bars.stream().mapToDouble(Bar::value).max().orElse(1);
        double scale = (WIDTH - LABEL - 150) / Math.max(most, mark);
        int height = bars.size() * ROW + 10;
        StringBuilder s = new StringBuilder(BenchFiles.format(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">%n", WIDTH, height));
        s.append(BenchFiles.format(
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%d\" stroke=\"#b3261e\" stroke-dasharray=\"4 3\"/>%n",
                LABEL + mark * scale, LABEL + mark * scale, height));
        int y = 4;
        for (Bar b : bars) {
            s.append(BenchFiles.format(
                    "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>"
                            + "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"#4878a8\"/>"
                            + "<text x=\"%.1f\" y=\"%d\">%.0f %s%s</text>%n",
                    LABEL - 6,
                    y + 12,
                    BenchHtml.escape(b.label),
                    LABEL,
                    y,
                    b.value * scale,
                    ROW - 4,
                    LABEL + b.value * scale + 5,
                    y + 12,
                    b.value,
                    unit,
                    b.note.isEmpty() ? "" : " (" + BenchHtml.escape(b.note) + ")"));
            y += ROW;
        }
        return s.append("</svg>\n").toString();
    }
}
