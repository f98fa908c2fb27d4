package io.quern.examples;

import io.quern.nn.Losses;
import io.quern.tensor.Rng;
import io.quern.tensor.Tensor;
import io.quern.train.NotFiniteException;
import io.quern.train.TrainEvent;
import io.quern.train.Trainer;
import io.quern.train.data.Rows;
import io.quern.train.optim.Adam;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import io.quern.train.optim.Sgd;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.knowm.xchart.XYChart;

/** What the learning rate does to a small regression: too low, right, too high; and a schedule that lowers it. */
public final class LearningRate {
    private LearningRate() {}

    /** sin(3 x) with normal noise of 0.1, at {@code count} places between -1 and 1. */
    static Rows wave(int count, long seed) {
        Rng rng = new Rng(seed);
        float[] x = new float[count];
        float[] y = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = 2 * rng.nextFloat() - 1;
            y[i] = (float) (Math.sin(3 * x[i]) + 0.1 * rng.nextGaussian());
        }
        return Rows.numbers(x, 1, y, 1);
    }

    /** The mean squared error on other data after every step; ends early where the loss is no longer a number. */
    static List<Double> train(Function<List<ParamGroup>, Optimizer> kind, Schedule schedule, int steps)
            throws IOException {
        List<Double> losses = new ArrayList<>();
        try (Mlp model = new Mlp(Tensor::tanh, 0, 1, 1, 32, 1);
                Optimizer optimizer = kind.apply(ParamGroup.all(model, 0))) {
            Trainer.of(
                            model,
                            b -> Losses.meanSquaredError(model.forward(b.inputs()), b.targets()),
                            wave(256, 1).shuffled(16, 1),
                            optimizer,
                            schedule)
                    .steps(steps)
                    .validate(wave(256, 2).inOrder(256), 1, 1)
                    .listen(event -> {
                        if (event instanceof TrainEvent.Step s && s.isValidated()) {
                            losses.add(s.validationLoss());
                        }
                    })
                    .run();
        } catch (NotFiniteException e) {
            losses.add(Double.POSITIVE_INFINITY);
        }
        return losses;
    }

    public static void main(String[] args) throws IOException {
        int steps = 1000;
        XYChart curves = Plot.chart("SGD at five rates", "step", "squared error");
        XYChart rates = Plot.chart("error after " + steps + " steps", "learning rate", "squared error");
        XYChart schedules = Plot.chart("SGD, rate 0.1 at first", "step", "squared error");
        for (double lr : new double[] {0.001, 0.01, 0.05, 0.1, 0.2}) {
            draw(curves, Double.toString(lr), train(Sgd::new, Schedule.constant(lr), steps));
        }
        sweep(rates, "SGD", Sgd::new, steps);
        sweep(rates, "Adam", Adam::new, steps);
        rates.getStyler().setXAxisLogarithmic(true);
        draw(schedules, "constant", train(Sgd::new, Schedule.constant(0.1), steps));
        draw(schedules, "cosine to 0", train(Sgd::new, Schedule.cosine(0.1, 0, steps), steps));
        draw(schedules, "a tenth every 400", train(Sgd::new, Schedule.step(0.1, 0.1, 400), steps));
        for (XYChart chart : List.of(curves, rates, schedules)) {
            chart.getStyler().setYAxisLogarithmic(true).setYAxisMin(0.009).setYAxisMax(2.0);
        }
        Plot.save(Plot.folder(args).resolve("learning-rate.png"), 3, List.of(curves, rates, schedules));
    }

    private static void draw(XYChart chart, String name, List<Double> losses) {
        List<Integer> drawn = Plot.upTo(losses.size()).stream()
                .filter(step -> (step < 10 || step % 10 == 0) && losses.get(step - 1) < 1e3)
                .toList();
        Plot.line(
                chart,
                name,
                drawn,
                drawn.stream().map(step -> losses.get(step - 1)).toList());
        System.out.printf(Locale.ROOT, "%-22s %-18s error at the end %.4f%n", chart.getTitle(), name, losses.getLast());
    }

    private static void sweep(XYChart chart, String name, Function<List<ParamGroup>, Optimizer> kind, int steps)
            throws IOException {
        List<Double> rates = new ArrayList<>();
        List<Double> ends = new ArrayList<>();
        for (double exponent = -4; exponent < 0.6; exponent += 0.25) {
            double end = train(kind, Schedule.constant(Math.pow(10, exponent)), steps)
                    .getLast();
            if (end < 1e3) {
                rates.add(Math.pow(10, exponent));
                ends.add(end);
            }
        }
        Plot.line(chart, name, rates, ends);
    }
}
