package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.file.AtomicFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The loss over the steps of a training run, as a PNG. */
final class LossChart {
    /** Where a receipt says what the losses are. */
    static final String UNIT = "loss_unit";

    /** A named curve. */
    private record Curve(String name, List<Double> steps, List<Double> losses) {
        /** Points to draw at most; each is the mean of its neighbours. */
        private static final int POINTS = 300;

        void add(JsonNode line, String key) {
            if (line.hasNonNull(key)) {
                steps.add(line.get("step").asDouble());
                losses.add(line.get(key).asDouble());
            }
        }

        Curve smooth() {
            int per = Math.max(1, steps.size() / POINTS);
            Curve c = new Curve(name, new ArrayList<>(), new ArrayList<>());
            for (int i = 0; i + per <= steps.size(); i += per) {
                c.steps.add(mean(steps.subList(i, i + per)));
                c.losses.add(mean(losses.subList(i, i + per)));
            }
            return c;
        }

        private static double mean(List<Double> all) {
            return all.stream().mapToDouble(d -> d).average().orElseThrow();
        }
    }

    private LossChart() {}

    /** Loads the graphics classes: after Ctrl-C, while the JVM shuts down, they could not be. */
    static void prepare() throws IOException {
        BitmapEncoder.getBitmapBytes(new XYChartBuilder().width(64).height(64).build(), BitmapEncoder.BitmapFormat.PNG);
    }

    /** Draws {@code log.jsonl} of a run that has its receipt as {@code loss.png} beside it. */
    static void write(Path folder) throws IOException {
        Curve training = new Curve("training", new ArrayList<>(), new ArrayList<>());
        Curve validation = new Curve("validation", new ArrayList<>(), new ArrayList<>());
        ObjectMapper json = new ObjectMapper();
        for (String line : Files.readAllLines(folder.resolve("log.jsonl"))) {
            JsonNode n = json.readTree(line);
            training.add(n, "loss");
            validation.add(n, "val_loss");
        }
        write(axis(Receipt.read(folder)), List.of(training.smooth(), validation), folder.resolve("loss.png"));
    }

    /** What a run's losses are, with their unit. */
    static String axis(JsonNode receipt) {
        return receipt.path(UNIT).asText("loss");
    }

    private static void write(String axis, List<Curve> curves, Path png) throws IOException {
        XYChart chart = new XYChartBuilder()
                .width(900)
                .height(540)
                .title("Loss")
                .xAxisTitle("step")
                .yAxisTitle(axis)
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
        AtomicFile.write(png, BitmapEncoder.getBitmapBytes(chart, BitmapEncoder.BitmapFormat.PNG));
    }
}
