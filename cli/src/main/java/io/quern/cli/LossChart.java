package io.quern.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The loss over the steps of a training run, as a PNG. */
final class LossChart {
    /** A named curve. */
    record Curve(String name, List<Double> steps, List<Double> losses) {}

    private LossChart() {}

    /** Writes the chart through a temporary file; curves without points are left out. */
    static void write(String title, List<Curve> curves, Path png) throws IOException {
        XYChart chart = new XYChartBuilder()
                .width(900)
                .height(540)
                .title(title)
                .xAxisTitle("step")
                .yAxisTitle("loss (nats per token)")
                .theme(Styler.ChartTheme.GGPlot2)
                .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE);
        chart.getStyler().setMarkerSize(5);
        boolean any = false;
        for (Curve c : curves) {
            if (!c.steps.isEmpty()) {
                var series = chart.addSeries(c.name, c.steps, c.losses);
                series.setMarker(c.steps.size() > 60 ? SeriesMarkers.NONE : SeriesMarkers.CIRCLE);
                any = true;
            }
        }
        if (!any) {
            return;
        }
        Path temporary = Files.createTempFile(png.toAbsolutePath().getParent(), ".loss", ".png");
        try {
            Files.write(temporary, BitmapEncoder.getBitmapBytes(chart, BitmapEncoder.BitmapFormat.PNG));
            Files.move(temporary, png, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }
}
