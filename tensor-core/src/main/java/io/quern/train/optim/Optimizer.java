package io.quern.train.optim;

import io.quern.nn.Param;
import io.quern.tensor.Gradients;
import io.quern.tensor.Tensor;
import java.util.Map;

/**
 * Moves parameters against their gradients. Owns its state (moments), which lives until {@link #close()}; the
 * parameters belong to their model.
 */
public interface Optimizer extends AutoCloseable {
    /**
     * Updates every parameter that has a gradient, in place.
     *
     * @param lr learning rate of this step
     * @param gradScale multiplies every gradient in the same sweep: clipping, and the mean over micro-batches
     */
    void step(Gradients gradients, double lr, double gradScale);

    /** Updates every parameter that has a gradient, in place. */
    default void step(Gradients gradients, double lr) {
        step(gradients, lr, 1);
    }

    /** What is updated, by path. */
    Map<String, Param> params();

    /** The live state by name, such as {@code exp_avg.h.0.attn.c_attn.weight}: what a checkpoint saves and restores. */
    Map<String, Tensor> state();

    /** How many steps were taken. */
    long steps();

    /** Goes on as if so many steps had been taken, once {@link #state()} is restored. */
    void resumeAt(long steps);

    @Override
    void close();
}
