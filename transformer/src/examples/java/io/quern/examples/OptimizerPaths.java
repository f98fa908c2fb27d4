package io.quern.examples;

import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.optim.Adagrad;
import io.quern.train.optim.Adam;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.RmsProp;
import io.quern.train.optim.Sgd;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.knowm.xchart.XYChart;

/** Optimizers on one surface, each at the best learning rate of a grid. */
public final class OptimizerPaths {
    static final float[] START = {1, 1.5f};
    static final double[] RATES = {1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1};

    private OptimizerPaths() {}

    /** Beale's function of points [N, 2]: heights [N, 1]. Its minimum is 0, at (3, 0.5). */
    static Tensor surface(Tensor points) {
        Tensor x = points.narrow(1, 0, 1);
        Tensor y = points.narrow(1, 1, 1);
        Tensor y2 = y.square();
        return term(1.5, x, y).add(term(2.25, x, y2)).add(term(2.625, x, y2.mul(y)));
    }

    /** (a - x + x power)^2. */
    private static Tensor term(double a, Tensor x, Tensor power) {
        return x.mul(power).sub(x).shift(a).square();
    }

    /** A model of nothing but a point. */
    private static final class Point extends Module {
        private final Param at = param("at", Tensor.of(START.clone(), 1, 2));
    }

    /** Where an optimizer went, and how high it was there. */
    record Descent(String name, double lr, List<Float> x, List<Float> y, List<Double> heights) {
        double last() {
            return heights.getLast();
        }

        /** Steps until the height is below {@code height}; one more than were made if it never is. */
        int stepsTo(double height) {
            int i = 0;
            while (i < heights.size() && !(heights.get(i) < height)) {
                i++;
            }
            return i;
        }
    }

    static Map<String, Function<List<ParamGroup>, Optimizer>> optimizers() {
        Map<String, Function<List<ParamGroup>, Optimizer>> all = new LinkedHashMap<>();
        all.put("SGD", Sgd::new);
        all.put("Momentum", groups -> new Sgd(groups, 0.9, 0, false));
        all.put("Adagrad", Adagrad::new);
        all.put("RMSProp", RmsProp::new);
        all.put("Adam", Adam::new);
        return all;
    }

    static Descent descend(String name, double lr, int steps) {
        Descent run = new Descent(name, lr, new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        try (Point point = new Point();
                Optimizer optimizer = optimizers().get(name).apply(ParamGroup.all(point, 0))) {
            for (int step = 0; step <= steps; step++) {
                Scope.run(() -> {
                    float[] at = point.at.value().toFloats();
                    Gradients g = Tape.gradients(() -> surface(point.at.value()));
                    run.x.add(at[0]);
                    run.y.add(at[1]);
                    run.heights.add(g.loss().item());
                    optimizer.step(g, lr);
                    return null;
                });
            }
        }
        return run;
    }

    /** The path that ends lowest, of those with the rates of the grid. */
    static Descent best(String name, int steps) {
        Descent best = null;
        for (double lr : RATES) {
            Descent run = descend(name, lr, steps);
            if (Double.isFinite(run.last()) && (best == null || run.last() < best.last())) {
                best = run;
            }
        }
        return best;
    }

    public static void main(String[] args) throws IOException {
        XYChart map = Plot.chart("paths", "x", "y");
        XYChart losses = Plot.chart("height", "step", "height above the minimum");
        losses.getStyler().setYAxisLogarithmic(true).setYAxisMin(1e-6);
        Contours contours = new Contours(OptimizerPaths::surface, -0.5, 4, -1.5, 1.7);
        for (double level = 0.01; level < 3000; level *= 2.5) {
            contours.draw(map, level);
        }
        int first = map.getSeriesMap().size();
        for (String name : optimizers().keySet()) {
            Descent d = best(name, 300);
            System.out.printf(
                    Locale.ROOT,
                    "%-9s lr %-6s height %.2e after 300 steps, below 0.01 after %d%n",
                    name,
                    d.lr,
                    d.last(),
                    d.stepsTo(0.01));
            int i = map.getSeriesMap().size() - first;
            Plot.line(map, name, d.x, d.y).setLineColor(Plot.colour(i));
            Plot.line(losses, name, Plot.upTo(d.heights.size()), d.heights);
        }
        Plot.save(Plot.folder(args).resolve("optimizers.png"), 2, List.of(map, losses));
    }
}
