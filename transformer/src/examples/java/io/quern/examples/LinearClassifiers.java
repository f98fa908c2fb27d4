package io.quern.examples;

import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Sgd;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import org.knowm.xchart.XYChart;

/** Logistic regression for two classes, softmax regression for more: one linear layer each, and a cross-entropy. */
public final class LinearClassifiers {
    static final double[][] CENTRES = {{-1, -0.6}, {1.1, -0.4}, {0, 1.3}};

    private LinearClassifiers() {}

    /** Gradient descent from weights that are all 0. The caller closes the layer. */
    static Linear fit(int outputs, Tensor x, UnaryOperator<Tensor> lossOfLogits, int steps, double lr) {
        Linear layer = new Linear(Tensor.zeros(outputs, 2), Tensor.zeros(outputs));
        try (Sgd descent = new Sgd(ParamGroup.all(layer, 0))) {
            for (int step = 0; step < steps; step++) {
                Scope.run(() -> {
                    descent.step(Tape.gradients(() -> lossOfLogits.apply(layer.forward(x))), lr);
                    return null;
                });
            }
        }
        return layer;
    }

    /** One output: the logit of class 1 against class 0. */
    static Linear logistic(Points data, int steps, double lr) {
        return Scope.run(() -> {
            Tensor y = data.targets().cast(DType.F32);
            return fit(1, data.inputs(), z -> Losses.binaryCrossEntropy(z, y), steps, lr);
        });
    }

    /** As many outputs as classes. */
    static Linear softmax(Points data, int classes, int steps, double lr) {
        return Scope.run(() -> {
            Tensor y = data.targets();
            return fit(classes, data.inputs(), z -> Losses.crossEntropy(z, y), steps, lr);
        });
    }

    /** Probabilities [B, 2] of both classes by the one logit of logistic regression. */
    static Tensor both(Tensor logit) {
        Tensor p = logit.sigmoid();
        return Tensor.concat(1, p.neg().shift(1), p);
    }

    /** The gradient [1, 2] for the weights of logistic regression as one derives it on paper: the mean of (p - y) x. */
    static Tensor gradientOnPaper(Linear layer, Tensor x, Tensor y) {
        Tensor error = layer.forward(x).sigmoid().sub(y.reshape(-1, 1)); // [B, 1]
        return error.transpose(0, 1).matmul(x).scale(1.0 / x.dim(0));
    }

    public static void main(String[] args) throws IOException {
        Points two = Points.blobs(60, 0.6, 1, CENTRES[0], CENTRES[1]);
        Points three = Points.blobs(60, 0.6, 2, CENTRES);
        XYChart left = Plot.chart("logistic regression", "x1", "x2");
        XYChart right = Plot.chart("softmax regression", "x1", "x2");
        try (Linear layer = logistic(two, 500, 1)) {
            Plot.regions(left, -3, 3, x -> both(layer.forward(x)));
            report("logistic", layer, two, Scope.run(() -> two.accuracy(both(layer.forward(two.inputs())))));
        }
        try (Linear layer = softmax(three, 3, 500, 1)) {
            Plot.regions(right, -3, 3, x -> layer.forward(x).softmax());
            report("softmax", layer, three, Scope.run(() -> three.accuracy(layer.forward(three.inputs()))));
        }
        Plot.points(left, two, "0", "1");
        Plot.points(right, three, "0", "1", "2");
        Plot.save(Plot.folder(args).resolve("linear.png"), 2, List.of(left, right));
    }

    private static void report(String name, Linear layer, Points data, double accuracy) {
        System.out.printf(
                Locale.ROOT,
                "%-9s weights %s, bias %s: %.1f %% of %d points right%n",
                name,
                layer.weight().preview(6),
                layer.bias().preview(3),
                100 * accuracy,
                data.size());
    }
}
