package io.quern.examples;

import io.quern.nn.Losses;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.train.Snapshot;
import io.quern.train.TrainEvent;
import io.quern.train.TrainResult;
import io.quern.train.Trainer;
import io.quern.train.data.Batch;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** A network that is far too large for its data, and three cures: dropout, weight decay, early stopping. */
public final class Overfitting {
    static final Points TRAINING = Points.moons(30, 0.35, 3);
    static final Points VALIDATION = Points.moons(1000, 0.35, 4);

    /** Steps between two validations. */
    static final int EVERY = 10;

    private Overfitting() {}

    /** @param patience validations without a smaller loss after which training ends; 0 for never */
    record Recipe(String name, double dropout, double weightDecay, int patience) {}

    static final Recipe NONE = new Recipe("nothing", 0, 0, 0);
    static final Recipe DROPOUT = new Recipe("dropout", 0.5, 0, 0);
    static final Recipe DECAY = new Recipe("weight decay", 0, 5, 0);
    static final Recipe STOPPED = new Recipe("early stop", 0, 0, 10);

    /** What a training came to. The caller closes the model. */
    record Trained(Mlp model, List<Double> training, List<Double> validation, TrainResult result) {}

    static Tensor loss(Mlp model, Batch b) {
        return Losses.crossEntropy(model.forward(b.inputs()), b.targets());
    }

    static double lossOn(Mlp model, Points data) {
        return Scope.run(() -> loss(model, data.rows().all()).item());
    }

    static Trained train(Recipe recipe, int steps) throws IOException {
        List<Double> training = new ArrayList<>();
        List<Double> validation = new ArrayList<>();
        Mlp model = new Mlp(Tensor::relu, recipe.dropout, 1, 2, 256, 256, 2);
        try (AdamW adam = new AdamW(ParamGroup.decayMatrices(model, recipe.weightDecay), 0.9, 0.999, 1e-8);
                Snapshot best = new Snapshot(model.parameters())) {
            Trainer<Batch> trainer = Trainer.of(
                            model,
                            b -> loss(model, b),
                            TRAINING.rows().shuffled(TRAINING.size(), 1),
                            adam,
                            Schedule.constant(5e-4))
                    .steps(steps)
                    .seed(1)
                    .validate(VALIDATION.rows().inOrder(VALIDATION.size()), 1, EVERY)
                    .listen(event -> {
                        if (event instanceof TrainEvent.Step s && s.isValidated()) {
                            training.add(lossOn(model, TRAINING));
                            validation.add(s.validationLoss());
                        }
                    });
            if (recipe.patience > 0) {
                trainer.stopEarly(recipe.patience).restoreBest(best);
            }
            return new Trained(model, training, validation, trainer.run());
        }
    }

    public static void main(String[] args) throws IOException {
        XYChart curves = Plot.chart("loss on 2,000 other points", "step", "cross-entropy");
        List<XYChart> charts = new ArrayList<>(List.of(curves));
        for (Recipe recipe : List.of(NONE, DROPOUT, DECAY, STOPPED)) {
            Trained t = train(recipe, 1500);
            try (Mlp model = t.model) {
                List<Integer> at = Plot.upTo(t.validation.size()).stream()
                        .map(i -> EVERY * i)
                        .toList();
                if (recipe == STOPPED) {
                    XYSeries dot =
                            curves.addSeries(recipe.name, List.of(t.result.bestStep()), List.of(t.result.bestLoss()));
                    dot.setMarker(SeriesMarkers.DIAMOND).setMarkerColor(Plot.colour(4));
                } else {
                    Plot.line(curves, recipe.name, at, t.validation);
                }
                if (recipe == NONE) {
                    Plot.line(curves, "training data", at, t.training);
                }
                System.out.printf(
                        Locale.ROOT,
                        "%-15s %4d steps, training loss %.3f, validation loss %.3f, right %.1f %%%n",
                        recipe.name,
                        t.result.step(),
                        lossOn(model, TRAINING),
                        lossOn(model, VALIDATION),
                        100 * Scope.run(() -> VALIDATION.accuracy(model.forward(VALIDATION.inputs()))));
                XYChart map = Plot.chart(recipe.name, "x1", "x2");
                Plot.regions(map, -2, 3, x -> model.forward(x).softmax());
                Plot.points(map, TRAINING, "0", "1");
                charts.add(map);
            }
        }
        Plot.save(Plot.folder(args).resolve("overfitting.png"), 2, charts.subList(0, 4));
    }
}
