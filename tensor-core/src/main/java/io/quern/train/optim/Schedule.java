package io.quern.train.optim;

import java.util.Map;

/**
 * The learning rate as a function of the number of updates done before: {@code at(0)} is the rate of the first. All but
 * {@link #plateau} are functions without memory, so resuming needs nothing but the step; what that one remembers goes
 * through {@link #state}.
 */
@FunctionalInterface
public interface Schedule {
    double at(long step);

    /** Takes note of a validation loss. Schedules that do not depend on it ignore it. */
    default void observe(double validationLoss) {}

    /** What the schedule remembers besides the step, by name; empty if nothing. */
    default Map<String, Double> state() {
        return Map.of();
    }

    /**
     * Goes on from a {@link #state}.
     *
     * @throws IllegalArgumentException if it is not of such a schedule
     */
    default void restore(Map<String, Double> state) {
        if (!state.isEmpty()) {
            throw new IllegalArgumentException(
                    "this learning-rate schedule remembers nothing, but the state has " + state.keySet());
        }
    }

    /** The same rate for ever. */
    static Schedule constant(double lr) {
        return new Constant(lr);
    }

    /** A straight line from {@code lr} at step 0 to 0 at step {@code steps}, and 0 after it. */
    static Schedule linear(double lr, long steps) {
        return new Linear(lr, 0, steps);
    }

    /** A straight line from {@code lr} at step 0 to {@code minLr} at step {@code steps}, where it stays. */
    static Schedule linear(double lr, double minLr, long steps) {
        return new Linear(lr, minLr, steps);
    }

    /** Half a cosine from {@code lr} at step 0 to {@code minLr} at step {@code steps}. */
    static Schedule cosine(double lr, double minLr, long steps) {
        return new Cosine(lr, minLr, steps, 0.5);
    }

    /** Multiplies the rate by {@code gamma} every so many steps, as torch.optim.lr_scheduler.StepLR does. */
    static Schedule step(double lr, double gamma, long every) {
        return new Stairs(lr, gamma, every);
    }

    /** Multiplies the rate by {@code gamma} in every step, as torch.optim.lr_scheduler.ExponentialLR does. */
    static Schedule exponential(double lr, double gamma) {
        return new Exponential(lr, gamma);
    }

    /** The exponential from {@code lr} at step 0 that is {@code end} at step {@code steps}. */
    static Schedule exponential(double lr, double end, long steps) {
        if (!(lr > 0 && end > 0)) {
            throw new IllegalArgumentException("an exponential goes between rates above 0, not " + lr + " and " + end);
        }
        return new Exponential(lr, Math.exp(Math.log(end / lr) / Math.max(1, steps)));
    }

    /**
     * {@code lr} at step 0, then falling with 1 / sqrt(step + timescale). With {@code warmup(timescale)} in front it is
     * the schedule of "Attention is all you need" (2017), called Noam, whose highest rate is 1 / sqrt(width * warmup).
     * Of {@code inverseSqrt(lr, t).warmup(w)} the rates are those of transformers' get_inverse_sqrt_schedule.
     */
    static Schedule inverseSqrt(double lr, long timescale) {
        return new InverseSqrt(lr, timescale);
    }

    /**
     * {@code lr} for {@code stable} steps, then down to {@code minLr} in {@code decay} steps: with a warm-up in front,
     * transformers' get_wsd_schedule. How long it is stable need not be known when training begins. Source: Hu et al.,
     * "MiniCPM" (2024).
     */
    static Schedule stableDecay(double lr, double minLr, long stable, long decay, Decay shape) {
        return new StableDecay(lr, minLr, stable, decay, shape);
    }

    /** Lowers the rate when the validation loss stops falling; see {@link Plateau}. */
    static Schedule plateau(double lr, double factor, int patience, double minLr) {
        return new Plateau(lr, factor, patience, 1e-4, 0, minLr);
    }

    /**
     * nanoGPT's schedule: at step i below {@code warmup}, lr * (i + 1) / (warmup + 1); then half a cosine down to
     * {@code minLr} at step {@code steps}, where it stays.
     */
    static Schedule nanoGpt(double lr, double minLr, long warmup, long steps) {
        return new NanoGpt(lr, minLr, warmup, steps);
    }

    /**
     * Puts a line from 0 to this schedule's first rate before it, which so begins at step {@code steps}. Of
     * {@code cosine(lr, 0, total - w).warmup(w)} the rates are those of transformers' get_cosine_schedule_with_warmup.
     */
    default Schedule warmup(long steps) {
        return new WarmUp(this, steps, 0);
    }

    /** Puts a line from {@code from} to this schedule's first rate before it; nanoGPT's is from lr / (steps + 1). */
    default Schedule warmup(long steps, double from) {
        return new WarmUp(this, steps, from);
    }

    /** How {@link #stableDecay} goes down. */
    enum Decay {
        LINEAR,
        COSINE,
        /** 1 - sqrt(progress): quickly first. Source: Hägele et al., "Scaling laws beyond fixed durations" (2024). */
        ONE_MINUS_SQRT;

        /** From 1 at progress 0 to 0 at progress 1. */
        double at(double progress) {
            return switch (this) {
                case LINEAR -> 1 - progress;
                case COSINE -> 0.5 * (1 + Math.cos(Math.PI * progress));
                case ONE_MINUS_SQRT -> 1 - Math.sqrt(progress);
            };
        }
    }

    /** See {@link Schedule#constant}. */
    record Constant(double lr) implements Schedule {
        @Override
        public double at(long step) {
            return lr;
        }
    }

    /** See {@link Schedule#linear}. */
    record Linear(double lr, double minLr, long steps) implements Schedule {
        @Override
        public double at(long step) {
            return minLr + (lr - minLr) * Math.max(0.0, (double) (steps - step) / Math.max(1, steps));
        }
    }

    /**
     * Cosines from {@code lr} to {@code minLr}: half of one is {@code cycles} = 0.5. Not clamped at the end: past it
     * the rate rises again, as in transformers.
     */
    record Cosine(double lr, double minLr, long steps, double cycles) implements Schedule {
        @Override
        public double at(long step) {
            double progress = (double) step / Math.max(1, steps);
            double cosine = Math.max(0.0, 0.5 * (1.0 + Math.cos(Math.PI * cycles * 2.0 * progress)));
            return minLr + (lr - minLr) * cosine;
        }
    }

    /** See {@link Schedule#step}. */
    record Stairs(double lr, double gamma, long every) implements Schedule {
        public Stairs {
            if (every < 1 || !(gamma > 0)) {
                throw new IllegalArgumentException("a step schedule needs a factor above 0 and 1 step or more between,"
                        + " not " + gamma + " and " + every);
            }
        }

        @Override
        public double at(long step) {
            return lr * Math.pow(gamma, step / every);
        }
    }

    /** See {@link Schedule#exponential}. */
    record Exponential(double lr, double gamma) implements Schedule {
        @Override
        public double at(long step) {
            return lr * Math.pow(gamma, step);
        }
    }

    /** See {@link Schedule#inverseSqrt}. */
    record InverseSqrt(double lr, long timescale) implements Schedule {
        public InverseSqrt {
            if (timescale < 1) {
                throw new IllegalArgumentException("the timescale must be 1 step or more, not " + timescale);
            }
        }

        @Override
        public double at(long step) {
            return lr / Math.sqrt((double) (step + timescale) / timescale);
        }
    }

    /** See {@link Schedule#stableDecay}. */
    record StableDecay(double lr, double minLr, long stable, long decay, Decay shape) implements Schedule {
        @Override
        public double at(long step) {
            if (step < stable) {
                return lr;
            }
            return step < stable + decay
                    ? minLr + (lr - minLr) * Math.max(0, shape.at((double) (step - stable) / decay))
                    : minLr;
        }
    }

    /** See {@link Schedule#nanoGpt}. */
    record NanoGpt(double lr, double minLr, long warmup, long steps) implements Schedule {
        @Override
        public double at(long step) {
            if (step < warmup) {
                return lr * (step + 1) / (warmup + 1);
            }
            if (step >= steps) {
                return minLr;
            }
            double progress = (double) (step - warmup) / (steps - warmup);
            return minLr + 0.5 * (1.0 + Math.cos(Math.PI * progress)) * (lr - minLr);
        }
    }

    /** See {@link Schedule#warmup}. */
    record WarmUp(Schedule then, long steps, double from) implements Schedule {
        @Override
        public double at(long step) {
            return step < steps ? from + (then.at(0) - from) * step / steps : then.at(step - steps);
        }

        @Override
        public void observe(double validationLoss) {
            then.observe(validationLoss);
        }

        @Override
        public Map<String, Double> state() {
            return then.state();
        }

        @Override
        public void restore(Map<String, Double> state) {
            then.restore(state);
        }
    }
}
