package io.quern.train.optim;

/**
 * The learning rate as a function of the number of updates done before: {@code at(0)} is the rate of the first.
 * Schedules are functions without memory, so resuming needs nothing but the step.
 */
@FunctionalInterface
public interface Schedule {
    double at(long step);

    /** The same rate for ever. */
    static Schedule constant(double lr) {
        return new Constant(lr);
    }

    /** A straight line from {@code lr} at step 0 to 0 at step {@code steps}, and 0 after it. */
    static Schedule linear(double lr, long steps) {
        return new Linear(lr, steps);
    }

    /** Half a cosine from {@code lr} at step 0 to {@code minLr} at step {@code steps}. */
    static Schedule cosine(double lr, double minLr, long steps) {
        return new Cosine(lr, minLr, steps, 0.5);
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
        return new WarmUp(this, steps);
    }

    /** See {@link Schedule#constant}. */
    record Constant(double lr) implements Schedule {
        @Override
        public double at(long step) {
            return lr;
        }
    }

    /** See {@link Schedule#linear}. */
    record Linear(double lr, long steps) implements Schedule {
        @Override
        public double at(long step) {
            return lr * Math.max(0.0, (double) (steps - step) / Math.max(1, steps));
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
    record WarmUp(Schedule then, long steps) implements Schedule {
        @Override
        public double at(long step) {
            return step < steps ? then.at(0) * step / steps : then.at(step - steps);
        }
    }
}
