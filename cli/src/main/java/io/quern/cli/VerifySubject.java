package io.quern.cli;

import io.quern.nn.Module;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import java.util.List;
import java.util.function.Supplier;

/** A model and an input that {@code verify} runs on one device and then on another. */
interface VerifySubject extends AutoCloseable {
    /** Runs a pass, under a name; gives the elements of its result. */
    @FunctionalInterface
    interface Runner {
        float[] run(String pass, Supplier<Tensor> forward);
    }

    Module model();

    /** What goes in, for people, such as {@code 7 tokens}. */
    String input();

    /** Columns of the logits; 0 if the model has none. */
    int classes();

    /**
     * Runs all passes on the device that the model is on, and returns their logits. What a pass chooses, such as tokens, is
     * chosen in the first run and taken again in later ones.
     */
    List<float[]> run(Device device, Runner runner);

    @Override
    default void close() {
        model().close();
    }
}
