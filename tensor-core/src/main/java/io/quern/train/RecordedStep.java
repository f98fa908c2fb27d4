package io.quern.train;

import io.quern.tensor.Jfr;
import java.util.function.Supplier;

/** Training steps of loops other than {@link Trainer}'s as events for JDK Flight Recorder; see docs/jfr.md. */
public final class RecordedStep {
    private RecordedStep() {}

    /**
     * What an update did.
     *
     * @param gradientNorm before clipping
     * @param items such as tokens
     * @param unit of the items
     */
    public record Update(double loss, double learningRate, double gradientNorm, long items, String unit) {}

    /**
     * Makes an update, with an event {@code io.quern.Step} around it while a recording asks for them.
     *
     * @param number of the update; the first is 1
     */
    public static Update of(long number, Supplier<Update> work) {
        StepEvent event = Jfr.isOn() ? StepEvent.start() : null;
        Update done = work.get();
        if (event != null) {
            event.finish(number, done);
        }
        return done;
    }
}
