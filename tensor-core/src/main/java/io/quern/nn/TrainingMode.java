package io.quern.nn;

import io.quern.tensor.Tensor;
import java.util.function.UnaryOperator;

/**
 * Says that code runs for training, so that dropout drops, and where its random numbers come from. Bound to a region of
 * code, so that it cannot stay switched on; outside, modules behave as for inference.
 *
 * <p>Each dropout of a step takes the next stream, so equal seed and step give equal masks, whenever and on whatever
 * device they are drawn.
 */
public final class TrainingMode {
    private static final ScopedValue<TrainingMode> CURRENT = ScopedValue.newInstance();

    private static final int STREAMS_PER_STEP_BITS = 20;

    private final long seed;
    private long stream;

    private TrainingMode(long seed, long step) {
        this.seed = seed;
        this.stream = step << STREAMS_PER_STEP_BITS;
    }

    /** Runs {@code body} in training mode with the random numbers of a (micro-)step. */
    public static <R, X extends Throwable> R with(long seed, long step, ScopedValue.CallableOp<? extends R, X> body)
            throws X {
        return ScopedValue.where(CURRENT, new TrainingMode(seed, step)).call(body);
    }

    /** The mode of this thread, or null where code runs for inference. */
    public static TrainingMode current() {
        return CURRENT.isBound() ? CURRENT.get() : null;
    }

    /** A function that draws the same random numbers whenever it is called: those that come next now. */
    UnaryOperator<Tensor> repeatable(UnaryOperator<Tensor> body) {
        long from = stream;
        return x -> {
            TrainingMode again = new TrainingMode(seed, 0);
            again.stream = from;
            Tensor y = ScopedValue.where(CURRENT, again).call(() -> body.apply(x));
            stream = Math.max(stream, again.stream);
            return y;
        };
    }

    public long seed() {
        return seed;
    }

    /** A stream of random numbers that nobody else in this step uses. */
    public long nextStream() {
        return stream++;
    }
}
