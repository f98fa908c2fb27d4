package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.file.AtomicFile;
import io.quern.vision.Preprocessor;
import io.quern.vision.data.ImageBatch;
import io.quern.vision.data.ImageBatches;
import io.quern.vision.data.ImageSet;
import io.quern.vision.model.Autoencoder;
import io.quern.vision.model.Pca;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;

/** Pictures as points of a plane by their two codes, coloured by class; side by side with principal components. */
final class CodePlot {
    private static final int SIDE = 640;

    /** More points only hide each other. */
    private static final int MOST = 5000;

    private CodePlot() {}

    static void write(Path png, Autoencoder model, Preprocessor p, ImageSet set, Pca components, Device device)
            throws IOException {
        ImageBatch all = ImageBatches.inOrder(set, p, 1, Device.CPU).first(MOST);
        int[] classes = all.targets().toInts();
        List<XYChart> charts = new ArrayList<>();
        if (components != null) {
            Tensor rows = all.pixels().reshape(classes.length, -1);
            charts.add(chart("Two principal components", components.encode(rows).toFloats(), classes, set.labels()));
        }
        float[] codes = model.encode(all.pixels().to(device)).toFloats();
        charts.add(chart("Two codes of the autoencoder", codes, classes, set.labels()));
        BufferedImage both = new BufferedImage(charts.size() * SIDE, SIDE, BufferedImage.TYPE_INT_RGB);
        Graphics2D g = both.createGraphics();
        for (int i = 0; i < charts.size(); i++) {
            g.drawImage(BitmapEncoder.getBufferedImage(charts.get(i)), i * SIDE, 0, null);
        }
        g.dispose();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(both, "png", bytes);
        AtomicFile.write(png, bytes.toByteArray());
    }

    private static XYChart chart(String title, float[] codes, int[] classes, List<String> labels) {
        XYChart chart = new XYChartBuilder()
                .width(SIDE)
                .height(SIDE)
                .title(title)
                .theme(Styler.ChartTheme.GGPlot2)
                .build();
        chart.getStyler().setDefaultSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
        chart.getStyler().setMarkerSize(4);
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE);
        for (int c = 0; c < labels.size(); c++) {
            List<Float> x = new ArrayList<>();
            List<Float> y = new ArrayList<>();
            for (int i = 0; i < classes.length; i++) {
                if (classes[i] == c) {
                    x.add(codes[2 * i]);
                    y.add(codes[2 * i + 1]);
                }
            }
            if (!x.isEmpty()) {
                // Hues all around, so that neighbours differ for any number of classes.
                Color colour = Color.getHSBColor((float) c / labels.size(), 0.85f, c % 2 == 0 ? 0.85f : 0.6f);
                chart.addSeries(labels.get(c), x, y).setMarkerColor(colour);
            }
        }
        return chart;
    }
}
