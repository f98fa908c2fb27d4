package io.quern.cli;

import io.quern.tensor.file.AtomicFile;
import io.quern.train.search.Dimension;
import io.quern.train.search.SearchSpace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Pictures of a search: the validation loss over each numeric option, and the best one so far over the trials. */
final class TuneChart {
    private TuneChart() {}

    /** Writes {@code tune.png} and {@code tune-OPTION.png}; gives their paths. */
    static List<Path> write(Path folder, SearchSpace space, List<Trials.Trial> trials) throws IOException {
        List<Trials.Trial> measured =
                trials.stream().filter(t -> !Double.isNaN(t.loss())).toList();
        List<Path> written = new ArrayList<>();
        if (measured.isEmpty()) {
            return written;
        }
        for (Dimension d : space.dimensions()) {
            if (d.scale() != Dimension.Scale.CHOICE) {
                written.add(save(folder.resolve("tune-" + d.name() + ".png"), option(d, measured)));
            }
        }
        written.add(save(folder.resolve("tune.png"), progress(measured)));
        return written;
    }

    private static XYChart option(Dimension d, List<Trials.Trial> trials) {
        XYChart chart = chart("Validation loss over --" + d.name(), d.name());
        chart.getStyler().setDefaultSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
        chart.getStyler().setXAxisLogarithmic(d.scale() == Dimension.Scale.LOG);
        Map<Long, List<Trials.Trial>> bySteps = new TreeMap<>();
        for (Trials.Trial t : trials) {
            if (t.trial() != Trials.DEFAULTS) {
                bySteps.computeIfAbsent(t.steps(), _ -> new ArrayList<>()).add(t);
            }
        }
        bySteps.forEach((steps, some) -> chart.addSeries(
                steps + " updates",
                some.stream()
                        .map(t -> ((Number) t.values().get(d.name())).doubleValue())
                        .toList(),
                some.stream().map(Trials.Trial::loss).toList()));
        trials.stream().filter(t -> t.trial() == Trials.DEFAULTS).findFirst().ifPresent(t -> {
            double low = d.low();
            XYSeries line = chart.addSeries("defaults", List.of(low, d.high()), List.of(t.loss(), t.loss()));
            line.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Line);
            line.setMarker(SeriesMarkers.NONE);
        });
        return chart;
    }

    private static XYChart progress(List<Trials.Trial> trials) {
        XYChart chart = chart("Best validation loss so far", "training");
        List<Integer> at = new ArrayList<>();
        List<Double> losses = new ArrayList<>();
        List<Double> best = new ArrayList<>();
        for (Trials.Trial t : trials) {
            at.add(at.size() + 1);
            losses.add(t.loss());
            best.add(best.isEmpty() ? t.loss() : Math.min(best.getLast(), t.loss()));
        }
        XYSeries all = chart.addSeries("each", at, losses);
        all.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
        chart.addSeries("best", at, best).setMarker(SeriesMarkers.NONE);
        return chart;
    }

    private static XYChart chart(String title, String x) {
        XYChart chart = new XYChartBuilder()
                .width(900)
                .height(540)
                .title(title)
                .xAxisTitle(x)
                .yAxisTitle("validation loss")
                .theme(Styler.ChartTheme.GGPlot2)
                .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE);
        chart.getStyler().setMarkerSize(8);
        return chart;
    }

    private static Path save(Path png, XYChart chart) throws IOException {
        AtomicFile.write(png, BitmapEncoder.getBitmapBytes(chart, BitmapEncoder.BitmapFormat.PNG));
        return png;
    }
}
