package io.quern.cli;

import io.quern.tensor.TensorException;
import java.awt.BasicStroke;
import java.io.IOException;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * GFLOP/s over FLOP a byte, both logarithmic, under the measured roofs. Source: Williams, Waterman and Patterson, "Roofline:
 * an insightful visual performance model" (2009).
 */
final class RooflineChart {
    private static final int WIDTH = 900;
    private static final int HEIGHT = 520;
    private static final int LEFT = 60;
    private static final int RIGHT = 20;
    private static final int TOP = 14;
    private static final int BOTTOM = 44;
    private static final String[] COLOURS = {"#4878a8", "#d1701f", "#3f8f4f", "#9a5fb0", "#b3261e", "#7a6a53"};

    private static final List<String> FAMILIES = List.of("products", "gemv", "attention", "norms, losses", "others");

    private RooflineChart() {}

    /** The rows that have a place: those that count operations and bytes, if the roofs were measured. */
    static List<BenchRow> placed(BenchRun run) {
        return run.roofs() == null
                ? List.of()
                : run.rows().stream()
                        .filter(r -> r.flops() > 0 && r.bytes() > 0)
                        .toList();
    }

    /** Powers of ten around all dots and the ridge. */
    private record Axes(double left, double right, double bottom, double top) {
        static Axes of(List<BenchRow> rows, BenchRun.Roofs roofs) {
            double ridge = roofs.gflops() / roofs.readGbs();
            double left = ridge;
            double right = ridge;
            double bottom = roofs.gflops();
            double top = roofs.gflops();
            for (BenchRow r : rows) {
                left = Math.min(left, r.intensity());
                right = Math.max(right, r.intensity());
                bottom = Math.min(bottom, r.gflops());
                top = Math.max(top, r.gflops());
            }
            return new Axes(floor(left), ceil(right), floor(bottom), ceil(top));
        }

        private static double floor(double x) {
            return Math.pow(10, Math.floor(Math.log10(x) - 1e-9));
        }

        private static double ceil(double x) {
            return Math.pow(10, Math.ceil(Math.log10(x) + 1e-9));
        }

        double x(double intensity) {
            return LEFT + (WIDTH - LEFT - RIGHT) * Math.log(intensity / left) / Math.log(right / left);
        }

        double y(double gflops) {
            return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * Math.log(gflops / bottom) / Math.log(top / bottom);
        }
    }

    static String svg(BenchRun run) {
        List<BenchRow> rows = placed(run);
        BenchRun.Roofs roofs = run.roofs();
        Axes a = Axes.of(rows, roofs);
        StringBuilder s = new StringBuilder(BenchFiles.format(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">%n", WIDTH, HEIGHT));
        for (double x = a.left; x < a.right * 1.01; x *= 10) {
            line(s, a.x(x), a.y(a.bottom), a.x(x), a.y(a.top), "#8884", 1);
            text(s, a.x(x), HEIGHT - BOTTOM + 16, "middle", power(x));
        }
        for (double y = a.bottom; y < a.top * 1.01; y *= 10) {
            line(s, a.x(a.left), a.y(y), a.x(a.right), a.y(y), "#8884", 1);
            text(s, LEFT - 6, a.y(y) + 4, "end", power(y));
        }
        text(s, WIDTH / 2.0, HEIGHT - 8, "middle", "FLOP a byte");
        text(s, LEFT + 4, TOP + 12, "start", "GFLOP/s");
        double ridge = roofs.gflops() / roofs.readGbs();
        double from = Math.max(a.left, a.bottom / roofs.readGbs());
        line(s, a.x(from), a.y(from * roofs.readGbs()), a.x(ridge), a.y(roofs.gflops()), "#888", 2);
        line(s, a.x(ridge), a.y(roofs.gflops()), a.x(a.right), a.y(roofs.gflops()), "#888", 2);
        text(
                s,
                a.x(a.right) - 4,
                a.y(roofs.gflops()) - 6,
                "end",
                BenchFiles.format("%.0f GFLOP/s; reading %.1f GB/s", roofs.gflops(), roofs.readGbs()));
        for (BenchRow r : rows) {
            s.append(BenchFiles.format(
                    "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" fill=\"%s\""
                            + " fill-opacity=\"0.8\"><title>%s</title></circle>%n",
                    a.x(r.intensity()),
                    a.y(r.gflops()),
                    colour(r),
                    BenchHtml.escape(BenchFiles.format(
                            "%s: %.1f GFLOP/s, %.1f GB/s, %.0f %% of the roof",
                            r.key(), r.gflops(), r.gigabytesPerSecond(), 100 * r.fraction(roofs)))));
        }
        legend(s, rows);
        return s.append("</svg>\n").toString();
    }

    /** The families that have a dot, in the lower right corner, where no operation can be. */
    private static void legend(StringBuilder s, List<BenchRow> rows) {
        int y = HEIGHT - BOTTOM - 14;
        for (int i = FAMILIES.size() - 1; i >= 0; i--) {
            String family = FAMILIES.get(i);
            if (rows.stream().anyMatch(r -> family(r).equals(family))) {
                s.append(BenchFiles.format(
                        "<rect x=\"%d\" y=\"%d\" width=\"9\" height=\"9\" rx=\"4.5\" fill=\"%s\"/>%n",
                        WIDTH - RIGHT - 18, y - 8, COLOURS[i]));
                text(s, WIDTH - RIGHT - 24.0, y, "end", family);
                y -= 17;
            }
        }
    }

    /** A power of ten as people write it. */
    private static String power(double x) {
        return BenchFiles.format("%." + Math.max(0, -Math.round(Math.log10(x))) + "f", x);
    }

    private static String family(BenchRow r) {
        String op = r.op();
        return op.startsWith("matmul") || op.startsWith("conv")
                ? "products"
                : op.startsWith("gemv")
                        ? "gemv"
                        : op.startsWith("attention")
                                ? "attention"
                                : op.contains("norm") || op.contains("softmax") || op.contains("entropy")
                                        ? "norms, losses"
                                        : "others";
    }

    private static String colour(BenchRow r) {
        return COLOURS[FAMILIES.indexOf(family(r))];
    }

    private static void line(StringBuilder s, double x1, double y1, double x2, double y2, String colour, int width) {
        s.append(BenchFiles.format(
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%d\"/>%n",
                x1, y1, x2, y2, colour, width));
    }

    private static void text(StringBuilder s, double x, double y, String anchor, String text) {
        s.append(BenchFiles.format(
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n", x, y, anchor, BenchHtml.escape(text)));
    }

    static byte[] png(BenchRun run) throws IOException {
        List<BenchRow> rows = placed(run);
        if (rows.isEmpty()) {
            throw new TensorException(
                    "there is nothing for a roofline plot: only operations of bench kernels have a place");
        }
        BenchRun.Roofs roofs = run.roofs();
        Axes a = Axes.of(rows, roofs);
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title("Roofline")
                .xAxisTitle("FLOP a byte")
                .yAxisTitle("GFLOP/s")
                .theme(Styler.ChartTheme.GGPlot2)
                .build();
        chart.getStyler().setXAxisLogarithmic(true);
        chart.getStyler().setYAxisLogarithmic(true);
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideSE);
        chart.getStyler().setMarkerSize(7);
        double ridge = roofs.gflops() / roofs.readGbs();
        double from = Math.max(a.left, a.bottom / roofs.readGbs());
        XYSeries roof = chart.addSeries("measured roofs", new double[] {from, ridge, a.right}, new double[] {
            from * roofs.readGbs(), roofs.gflops(), roofs.gflops()
        });
        roof.setMarker(SeriesMarkers.NONE);
        roof.setLineStyle(new BasicStroke(2));
        for (String family : rows.stream().map(RooflineChart::family).distinct().toList()) {
            List<BenchRow> of =
                    rows.stream().filter(r -> family(r).equals(family)).toList();
            XYSeries dots = chart.addSeries(
                    family,
                    of.stream().map(BenchRow::intensity).toList(),
                    of.stream().map(BenchRow::gflops).toList());
            dots.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
        }
        return BitmapEncoder.getBitmapBytes(chart, BitmapEncoder.BitmapFormat.PNG);
    }
}
