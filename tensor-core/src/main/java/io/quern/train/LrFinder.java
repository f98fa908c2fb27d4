package io.quern.train;

import io.quern.train.optim.Schedule;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Function;

/**
 * Learning-rate range test: trains a few steps while the rate rises exponentially, and looks where the loss falls and
 * where it begins to rise. Source: Smith, "Cyclical learning rates for training neural networks" (2017); smoothing,
 * stopping rule and the point suggested are those of fastai's lr_find ("valley").
 */
public final class LrFinder {
    /** Of the exponential mean of losses. */
    private static final double SMOOTHING = 0.98;

    /** The test ends when the smoothed loss is so many times the smallest one. */
    private static final double DIVERGED = 4;

    private static final int FEWEST = 10;

    private LrFinder() {}

    /**
     * A step of the test.
     *
     * @param lr rate of the step
     * @param loss before it
     * @param smoothed exponential mean of the losses up to this one, corrected for its start
     */
    public record Point(double lr, double loss, double smoothed) {}

    /**
     * What the test showed.
     *
     * @param curve by rising rate, up to where the loss diverged
     * @param suggestion middle of the longest valley: a good highest rate to begin with
     * @param steepest rate at which the smoothed loss fell fastest
     * @param lowest rate at which the smoothed loss was lowest; a tenth of it is another common choice
     * @param diverged whether the test ended before its last rate
     */
    public record Result(List<Point> curve, double suggestion, double steepest, double lowest, boolean diverged) {}

    /**
     * Runs the test. It trains the model: make a new one for the run that follows.
     *
     * @param maker of a trainer with this schedule and otherwise the settings of the run, without checkpoints
     * @param from lowest rate, above 0
     * @param to highest rate
     * @param steps at most; 10 or more
     * @throws TrainException if the loss diverges before there is anything to see
     */
    public static <B> Result find(Function<Schedule, Trainer<B>> maker, double from, double to, int steps)
            throws IOException {
        if (!(from > 0 && to > from) || steps < FEWEST) {
            throw new IllegalArgumentException("a range test needs rates above 0, the second one higher, and " + FEWEST
                    + " steps or more; not " + from + ", " + to + " and " + steps);
        }
        List<Point> curve = new ArrayList<>();
        Trainer<B> trainer =
                maker.apply(Schedule.exponential(from, to, steps - 1)).steps(steps);
        trainer.listen(new TrainListener() {
            private double mean;
            private double best = Double.POSITIVE_INFINITY;

            @Override
            public void on(TrainEvent event) {
                if (event instanceof TrainEvent.Step s) {
                    mean = SMOOTHING * mean + (1 - SMOOTHING) * s.loss();
                    double smoothed = mean / (1 - Math.pow(SMOOTHING, curve.size() + 1.0));
                    curve.add(new Point(s.lr(), s.loss(), smoothed));
                    best = Math.min(best, smoothed);
                    if (smoothed > DIVERGED * best) {
                        trainer.stop();
                    }
                }
            }
        });
        boolean diverged;
        try {
            diverged = trainer.run().stopped();
        } catch (NotFiniteException e) {
            if (curve.size() < FEWEST) {
                throw e;
            }
            diverged = true;
        }
        return result(curve, diverged);
    }

    static Result result(List<Point> curve, boolean diverged) {
        return new Result(
                List.copyOf(curve),
                curve.get(valley(curve)).lr(),
                curve.get(steepest(curve)).lr(),
                curve.stream()
                        .min(Comparator.comparingDouble(Point::smoothed))
                        .orElseThrow()
                        .lr(),
                diverged);
    }

    /** In the middle of the second half of the longest falling subsequence, as fastai takes it. */
    private static int valley(List<Point> curve) {
        int[] length = new int[curve.size()];
        int end = 0;
        for (int i = 0; i < length.length; i++) {
            length[i] = 1;
            for (int j = 0; j < i; j++) {
                if (curve.get(i).smoothed() < curve.get(j).smoothed() && length[i] < length[j] + 1) {
                    length[i] = length[j] + 1;
                }
            }
            if (length[i] > length[end]) {
                end = i;
            }
        }
        int start = end - length[end];
        int third = (end - start) / 3;
        return Math.max(0, start + third + third / 2);
    }

    private static int steepest(List<Point> curve) {
        int at = 0;
        double slope = Double.POSITIVE_INFINITY;
        for (int i = 1; i < curve.size() - 1; i++) {
            double rise = curve.get(i + 1).smoothed() - curve.get(i - 1).smoothed();
            double run = Math.log(curve.get(i + 1).lr() / curve.get(i - 1).lr());
            if (rise / run < slope) {
                slope = rise / run;
                at = i;
            }
        }
        return at;
    }
}
