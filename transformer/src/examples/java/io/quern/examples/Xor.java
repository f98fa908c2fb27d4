package io.quern.examples;

import io.quern.nn.Losses;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Sgd;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.knowm.xchart.XYChart;

/** Exclusive or: what one layer cannot learn, and two layers can. */
public final class Xor {
    static final float[] INPUTS = {0, 0, 0, 1, 1, 0, 1, 1};
    static final float[] TARGETS = {0, 1, 1, 0};

    private Xor() {}

    /** Gradient descent on the mean binary cross-entropy of the four cases; returns what it is at the end. */
    static double train(Mlp model, int steps, double lr) {
        return Scope.run(() -> {
            Tensor x = Tensor.of(INPUTS, 4, 2);
            Tensor y = Tensor.of(TARGETS, 4, 1);
            double loss = Double.NaN;
            try (Sgd descent = new Sgd(ParamGroup.all(model, 0))) {
                for (int step = 0; step < steps; step++) {
                    loss = Scope.run(() -> {
                        Gradients g = Tape.gradients(() -> Losses.binaryCrossEntropy(model.forward(x), y));
                        descent.step(g, lr);
                        return g.loss().item();
                    });
                }
            }
            return loss;
        });
    }

    /** Probabilities that the answer is 1, of the four cases. */
    static float[] probabilities(Mlp model) {
        return Scope.run(() -> model.forward(Tensor.of(INPUTS, 4, 2)).sigmoid().toFloats());
    }

    /** A network of one layer, and networks of two that differ in their activation. */
    static Map<String, Mlp> models(long seed) {
        Map<String, UnaryOperator<Tensor>> activations = new LinkedHashMap<>();
        activations.put("sigmoid", Tensor::sigmoid);
        activations.put("tanh", Tensor::tanh);
        activations.put("ReLU", Tensor::relu);
        Map<String, Mlp> models = new LinkedHashMap<>();
        models.put("one layer", new Mlp(UnaryOperator.identity(), 0, seed, 2, 1));
        activations.forEach((name, f) -> models.put("two layers, " + name, new Mlp(f, 0, seed, 2, 8, 1)));
        return models;
    }

    public static void main(String[] args) throws IOException {
        List<XYChart> charts = new ArrayList<>();
        Points cases = new Points(INPUTS, 0, 1, 1, 0);
        models(1).forEach((name, model) -> {
            double loss = train(model, 2000, 1);
            float[] p = probabilities(model);
            System.out.printf(
                    Locale.ROOT, "%-20s loss %.4f, p(1): %.3f %.3f %.3f %.3f%n", name, loss, p[0], p[1], p[2], p[3]);
            XYChart chart = Plot.chart(name, "x1", "x2");
            Plot.regions(chart, -0.5, 1.5, x -> {
                Tensor one = model.forward(x).sigmoid();
                return Tensor.concat(1, one.neg().shift(1), one);
            });
            Plot.points(chart, cases, "0", "1");
            charts.add(chart);
            model.close();
        });
        Plot.save(Plot.folder(args).resolve("xor.png"), 2, charts);
    }
}
