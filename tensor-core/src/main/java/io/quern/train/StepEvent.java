package io.quern.train;

import io.quern.tensor.Jfr;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** An update of a training; see docs/jfr.md. Touched only where {@link Jfr#isOn}. */
@Name("io.quern.Step")
@Label("Training Step")
@Category({"Quern", "Training"})
@Description("An update of the parameters, from the first batch to the optimizer's step")
@StackTrace(false)
final class StepEvent extends Event {
    @Label("Step")
    @Description("The first is 1")
    private long step;

    @Label("Loss")
    private double loss;

    @Label("Learning Rate")
    private double learningRate;

    @Label("Gradient Norm")
    @Description("Before clipping")
    private double gradientNorm;

    @Label("Items")
    @Description("Such as tokens")
    private long items;

    @Label("Unit")
    @Description("Of the items")
    private String unit;

    private StepEvent() {}

    /** An event that has begun, or null if none is recorded. */
    static StepEvent start() {
        StepEvent e = new StepEvent();
        if (!e.isEnabled()) {
            return null;
        }
        e.begin();
        return e;
    }

    /** Ends the event and records it. */
    void finish(long number, RecordedStep.Update update) {
        end();
        if (!shouldCommit()) {
            return;
        }
        step = number;
        loss = update.loss();
        learningRate = update.learningRate();
        gradientNorm = update.gradientNorm();
        items = update.items();
        unit = update.unit();
        commit();
    }
}
