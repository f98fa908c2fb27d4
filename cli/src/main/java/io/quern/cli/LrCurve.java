package io.quern.cli;

import io.quern.tensor.file.AtomicFile;
import io.quern.train.LrFinder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** What {@code --find-lr} shows: the loss over the learning rate as CSV and PNG, and a suggestion. */
final class LrCurve {
    static final double FROM = 1e-6;
    static final double TO = 1;
    static final int STEPS = 100;

    private static final String CSV = "lr.csv";
    private static final String PNG = "lr.png";

    private LrCurve() {}

    static void write(Path folder, LrFinder.Result result) throws IOException {
        StringBuilder csv = new StringBuilder("lr,loss,smoothed\n");
        for (LrFinder.Point p : result.curve()) {
            csv.append(p.lr())
                    .append(',')
                    .append(p.loss())
                    .append(',')
                    .append(p.smoothed())
                    .append('\n');
        }
        AtomicFile.write(folder.resolve(CSV), csv.toString().getBytes(StandardCharsets.UTF_8));
        AtomicFile.write(
                folder.resolve(PNG), BitmapEncoder.getBitmapBytes(chart(result), BitmapEncoder.BitmapFormat.PNG));
    }

    private static XYChart chart(LrFinder.Result result) {
        XYChart chart = new XYChartBuilder()
                .width(900)
                .height(540)
                .title("Learning-rate range test")
                .xAxisTitle("learning rate")
                .yAxisTitle("loss")
                .theme(Styler.ChartTheme.GGPlot2)
                .build();
        chart.getStyler().setXAxisLogarithmic(true);
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideSW);
        List<Double> rates = result.curve().stream().map(LrFinder.Point::lr).toList();
        chart.addSeries(
                        "loss",
                        rates,
                        result.curve().stream().map(LrFinder.Point::loss).toList())
                .setMarker(SeriesMarkers.NONE);
        chart.addSeries(
                        "smoothed",
                        rates,
                        result.curve().stream().map(LrFinder.Point::smoothed).toList())
                .setMarker(SeriesMarkers.NONE);
        double at = result.curve().stream()
                .filter(p -> p.lr() == result.suggestion())
                .findFirst()
                .orElseThrow()
                .smoothed();
        chart.addSeries("suggestion", List.of(result.suggestion()), List.of(at)).setMarker(SeriesMarkers.DIAMOND);
        return chart;
    }

    static void report(Output output, boolean json, Path folder, LrFinder.Result result) {
        if (json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("suggestion", result.suggestion());
            line.put("steepest", result.steepest());
            line.put("lowest", result.lowest());
            line.put("diverged", result.diverged());
            line.put("csv", folder.resolve(CSV).toString());
            line.put("png", folder.resolve(PNG).toString());
            output.json(line);
        } else {
            output.println("%s: try --lr %.2g (the loss fell fastest at %.2g and was lowest at %.2g)"
                    .formatted(folder.resolve(PNG), result.suggestion(), result.steepest(), result.lowest()));
        }
    }
}
