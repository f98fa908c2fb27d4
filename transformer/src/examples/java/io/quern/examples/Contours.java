package io.quern.examples;

import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import java.awt.Color;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Lines of equal height of a function of the plane, from its values on a grid. */
final class Contours {
    private static final int SIDE = 120;

    private final float[] grid = new float[2 * SIDE * SIDE];
    private final float[] heights;

    /** @param surface from points [N, 2] to heights [N, 1] */
    Contours(UnaryOperator<Tensor> surface, double x0, double x1, double y0, double y1) {
        for (int i = 0; i < SIDE * SIDE; i++) {
            grid[2 * i] = (float) (x0 + (x1 - x0) * (i % SIDE) / (SIDE - 1));
            grid[2 * i + 1] = (float) (y0 + (y1 - y0) * (i / SIDE) / (SIDE - 1));
        }
        heights = Scope.run(() -> surface.apply(Tensor.of(grid, SIDE * SIDE, 2)).toFloats());
    }

    /** Adds the line of a height as a grey series, and makes the chart as large as the grid. */
    void draw(XYChart chart, double level) {
        List<Float> x = new ArrayList<>();
        List<Float> y = new ArrayList<>();
        for (int corner = 0; corner < SIDE * (SIDE - 1); corner++) {
            if (corner % SIDE < SIDE - 1) {
                cut(level, x, y, corner, corner + 1, corner + SIDE);
                cut(level, x, y, corner + 1, corner + SIDE, corner + SIDE + 1);
            }
        }
        if (!x.isEmpty()) {
            chart.addSeries("height " + level, x, y)
                    .setMarker(SeriesMarkers.NONE)
                    .setLineColor(new Color(0x9A9A9A))
                    .setLineWidth(0.8f)
                    .setLineStyle(SeriesLines.SOLID)
                    .setShowInLegend(false);
        }
        chart.getStyler().setPlotContentSize(1);
        int last = grid.length - 2;
        chart.getStyler().setXAxisMin((double) grid[0]).setXAxisMax((double) grid[last]);
        chart.getStyler().setYAxisMin((double) grid[1]).setYAxisMax((double) grid[last + 1]);
    }

    /** Adds the piece of the line that cuts a triangle of the grid; a NaN ends a piece. */
    private void cut(double level, List<Float> x, List<Float> y, int... corners) {
        boolean found = false;
        for (int k = 0; k < 3; k++) {
            int a = corners[k];
            int b = corners[(k + 1) % 3];
            if (heights[a] < level != heights[b] < level) {
                float t = (float) ((level - heights[a]) / (heights[b] - heights[a]));
                x.add(grid[2 * a] + t * (grid[2 * b] - grid[2 * a]));
                y.add(grid[2 * a + 1] + t * (grid[2 * b + 1] - grid[2 * a + 1]));
                found = true;
            }
        }
        if (found) {
            x.add(x.getLast());
            y.add(Float.NaN);
        }
    }
}
