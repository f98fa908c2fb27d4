package io.quern.examples;

import io.quern.nn.Losses;
import io.quern.nn.Param;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.TrainEvent;
import io.quern.train.Trainer;
import io.quern.train.data.Batch;
import io.quern.train.data.Batches;
import io.quern.train.data.Rows;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import io.quern.train.optim.Sgd;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.knowm.xchart.XYChart;

/** What the size of a batch does: to the noise of the gradient, and to the progress of an epoch. */
public final class BatchSize {
    static final Rows DATA = Points.moons(2048, 0.2, 1).rows();

    private BatchSize() {}

    static Mlp model() {
        return new Mlp(Tensor::tanh, 0, 1, 2, 32, 2);
    }

    static Tensor loss(Mlp model, Batch b) {
        return Losses.crossEntropy(model.forward(b.inputs()), b.targets());
    }

    /** The gradient of all parameters for a batch, as one row of numbers. */
    static double[] gradient(Mlp model, Batches<Batch> batches, long index) {
        return Scope.run(() -> {
            Gradients g = Tape.gradients(() -> loss(model, batches.batch(index)));
            List<Tensor> parts = new ArrayList<>();
            for (Param p : model.parameters().values()) {
                parts.add(g.of(p.value()).reshape(-1));
            }
            return Tensor.concat(0, parts.toArray(Tensor[]::new)).toDoubles();
        });
    }

    /** Root of the mean squared distance of a batch's gradient from that of all data, over the length of the latter. */
    static double noise(Mlp model, int batch, int samples) {
        double[] all = gradient(model, DATA.inOrder(DATA.size()), 0);
        Batches<Batch> batches = DATA.shuffled(batch, 1);
        double sum = 0;
        for (int s = 0; s < samples; s++) {
            double[] g = gradient(model, batches, s);
            for (int i = 0; i < g.length; i++) {
                sum += (g[i] - all[i]) * (g[i] - all[i]);
            }
        }
        double length = 0;
        for (double x : all) {
            length += x * x;
        }
        return Math.sqrt(sum / samples / length);
    }

    /** The loss on all data, {@code perEpoch} times in each epoch. */
    static List<Double> train(int batch, int epochs, int perEpoch) throws IOException {
        List<Double> losses = new ArrayList<>();
        try (Mlp model = model();
                Sgd sgd = new Sgd(ParamGroup.all(model, 0))) {
            Batches<Batch> batches = DATA.shuffled(batch, 1);
            int every = Math.max(1, (int) batches.perEpoch() / perEpoch);
            Trainer.of(model, b -> loss(model, b), batches, sgd, Schedule.constant(0.2))
                    .epochs(epochs)
                    .validate(DATA.inOrder(DATA.size()), 1, every)
                    .listen(event -> {
                        if (event instanceof TrainEvent.Step s && s.isValidated()) {
                            losses.add(s.validationLoss());
                        }
                    })
                    .run();
        }
        return losses;
    }

    public static void main(String[] args) throws IOException {
        XYChart progress = Plot.chart("loss on all data, rate 0.2", "epoch", "cross-entropy");
        XYChart noises = Plot.chart("noise of a gradient", "batch size", "relative to the gradient");
        int epochs = 8;
        for (int batch : new int[] {4, 16, 64, 256, 4096}) {
            List<Double> losses = train(batch, epochs, 8);
            double each = (double) epochs / losses.size();
            Plot.line(
                    progress,
                    batch + " rows",
                    Plot.upTo(losses.size()).stream().map(i -> each * i).toList(),
                    losses);
            System.out.printf(Locale.ROOT, "batch %-5d loss after %d epochs %.4f%n", batch, epochs, losses.getLast());
        }
        List<Integer> sizes = List.of(1, 4, 16, 64, 256);
        List<Double> measured = new ArrayList<>();
        try (Mlp model = model()) {
            for (int batch : sizes) {
                measured.add(noise(model, batch, 400));
                System.out.printf(Locale.ROOT, "batch %-5d noise %.3f%n", batch, measured.getLast());
            }
        }
        Plot.line(noises, "measured", sizes, measured);
        Plot.line(
                noises,
                "1 / sqrt(batch size)",
                sizes,
                sizes.stream().map(b -> measured.getFirst() / Math.sqrt(b)).toList());
        noises.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
        Plot.save(Plot.folder(args).resolve("batch-size.png"), 2, List.of(progress, noises));
    }
}
