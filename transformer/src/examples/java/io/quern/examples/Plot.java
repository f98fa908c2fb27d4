package io.quern.examples;

import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.file.AtomicFile;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The charts of the examples; nothing of Quern is learned here. */
final class Plot {
    private static final int WIDTH = 440;
    private static final int HEIGHT = 380;

    /** Squares in a row of {@link #regions}. */
    private static final int SIDE = 80;

    /** Shades of a colour. */
    private static final int SHADES = 5;

    private static final Color[] COLOURS = {
        new Color(0x1F77B4),
        new Color(0xE6730F),
        new Color(0x2A9D4A),
        new Color(0x8E44AD),
        new Color(0xC0243C),
        new Color(0x555555)
    };

    private Plot() {}

    static Color colour(int index) {
        return COLOURS[index % COLOURS.length];
    }

    /** The folder for pictures that the command line names last, or {@code target/examples}. */
    static Path folder(String... args) {
        return Path.of(args.length == 0 ? "target/examples" : args[args.length - 1]);
    }

    static XYChart chart(String title, String x, String y) {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle(x)
                .yAxisTitle(y)
                .theme(Styler.ChartTheme.XChart)
                .build();
        Styler style = chart.getStyler();
        style.setChartBackgroundColor(Color.WHITE)
                .setLegendPosition(Styler.LegendPosition.OutsideS)
                .setLegendLayout(Styler.LegendLayout.Horizontal)
                .setLegendBorderColor(Color.WHITE)
                .setLegendFont(style.getLegendFont().deriveFont(10f))
                .setLegendSeriesLineLength(12)
                .setLegendPadding(5)
                .setMarkerSize(6);
        chart.getStyler().setPlotGridLinesVisible(false).setXAxisTickMarkSpacingHint(60);
        return chart;
    }

    /** A curve without markers, in the next colour. */
    static XYSeries line(XYChart chart, String name, List<? extends Number> x, List<? extends Number> y) {
        // Of equally spaced values XChart labels every n-th, such as 78 and 155; of others it labels round numbers.
        List<Number> xs = new ArrayList<>(x);
        List<Number> ys = new ArrayList<>(y);
        xs.addFirst(x.getFirst().doubleValue() * (1 + 1e-6));
        ys.addFirst(y.getFirst());
        Color colour = colour(chart.getSeriesMap().size());
        XYSeries series = chart.addSeries(name, xs, ys);
        series.setMarker(SeriesMarkers.NONE)
                .setLineColor(colour)
                .setLineWidth(1.6f)
                .setLineStyle(SeriesLines.SOLID);
        return series;
    }

    /** The numbers from 1 to n, for an axis. */
    static List<Integer> upTo(int n) {
        List<Integer> all = new ArrayList<>();
        for (int i = 1; i <= n; i++) {
            all.add(i);
        }
        return all;
    }

    /** A square of the plane in the colours of the classes that are most probable there: the paler, the less so. */
    static void regions(XYChart chart, double low, double high, UnaryOperator<Tensor> probabilities) {
        float[] grid = new float[2 * SIDE * SIDE];
        for (int i = 0; i < SIDE * SIDE; i++) {
            grid[2 * i] = (float) (low + (high - low) * (i % SIDE) / (SIDE - 1));
            grid[2 * i + 1] = (float) (low + (high - low) * (i / SIDE) / (SIDE - 1));
        }
        float[] p = Scope.run(() -> Tape.noGrad(
                () -> probabilities.apply(Tensor.of(grid, SIDE * SIDE, 2)).toFloats()));
        int classes = p.length / (SIDE * SIDE);
        Map<Integer, List<Integer>> cells = new TreeMap<>();
        for (int i = 0; i < SIDE * SIDE; i++) {
            int best = 0;
            for (int c = 1; c < classes; c++) {
                best = p[i * classes + c] > p[i * classes + best] ? c : best;
            }
            double sure = (p[i * classes + best] - 1.0 / classes) / (1 - 1.0 / classes); // 0 to 1
            int shade = Math.min(SHADES - 1, (int) (sure * SHADES));
            cells.computeIfAbsent(best * SHADES + shade, k -> new ArrayList<>()).add(i);
        }
        chart.getStyler().setPlotContentSize(1);
        chart.getStyler().setXAxisMin(low).setXAxisMax(high).setYAxisMin(low).setYAxisMax(high);
        cells.forEach((key, where) -> {
            XYSeries series = chart.addSeries(
                    "region " + key,
                    where.stream().map(i -> grid[2 * i]).toList(),
                    where.stream().map(i -> grid[2 * i + 1]).toList());
            series.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
            series.setMarker(new Cell()).setMarkerColor(pale(colour(key / SHADES), 0.1 + 0.11 * (key % SHADES)));
            series.setShowInLegend(false);
        });
    }

    /** The points of each class in its colour. */
    static void points(XYChart chart, Points data, String... names) {
        for (int c = 0; c < names.length; c++) {
            List<Float> x = new ArrayList<>();
            List<Float> y = new ArrayList<>();
            for (int i = 0; i < data.size(); i++) {
                if (data.classes()[i] == c) {
                    x.add(data.xy()[2 * i]);
                    y.add(data.xy()[2 * i + 1]);
                }
            }
            XYSeries series = chart.addSeries(names[c], x, y);
            series.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
            series.setMarker(SeriesMarkers.CIRCLE).setMarkerColor(colour(c).darker());
        }
    }

    /** Writes charts side by side, {@code columns} in a row. */
    static void save(Path png, int columns, List<XYChart> charts) throws IOException {
        int rows = (charts.size() + columns - 1) / columns;
        BufferedImage all = new BufferedImage(columns * WIDTH, rows * HEIGHT, BufferedImage.TYPE_INT_RGB);
        Graphics2D g = all.createGraphics();
        g.setColor(Color.WHITE);
        g.fillRect(0, 0, all.getWidth(), all.getHeight());
        for (int i = 0; i < charts.size(); i++) {
            g.drawImage(BitmapEncoder.getBufferedImage(charts.get(i)), i % columns * WIDTH, i / columns * HEIGHT, null);
        }
        g.dispose();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageWriter writer = ImageIO.getImageWritersByFormatName("png").next();
        ImageWriteParam small = writer.getDefaultWriteParam();
        small.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
        small.setCompressionQuality(0); // as small as can be, not as quick
        try (ImageOutputStream out = ImageIO.createImageOutputStream(bytes)) {
            writer.setOutput(out);
            writer.write(null, new IIOImage(all, null, null), small);
        }
        writer.dispose();
        Files.createDirectories(png.toAbsolutePath().getParent());
        AtomicFile.write(png, bytes.toByteArray());
        System.out.println("wrote " + png);
    }

    private static Color pale(Color c, double strength) {
        return new Color(pale(c.getRed(), strength), pale(c.getGreen(), strength), pale(c.getBlue(), strength));
    }

    private static int pale(int channel, double strength) {
        return (int) Math.round(255 + strength * (channel - 255));
    }

    /** A square that leaves no gap to its neighbours. */
    private static final class Cell extends Marker {
        @Override
        public void paint(Graphics2D g, double x, double y, int size) {
            double w = Math.ceil((double) WIDTH / SIDE);
            g.fill(new Rectangle2D.Double(Math.floor(x - w / 2), Math.floor(y - w / 2), w, w));
        }
    }
}
