package io.quern.train;

import io.quern.nn.Param;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * An exponential moving average of parameters, which often validates better than they themselves: after each update
 * average += (1 - d) * (parameter - average). In update i, d is min(decay, (1 + i) / (10 + i)), so that the first ones do not
 * count for long; the rule is TensorFlow's. Source: Polyak and Juditsky (1992).
 */
public final class WeightAverage implements AutoCloseable {
    private final Map<String, Param> params;
    private final double decay;
    private final Snapshot average;

    /**
     * Begins with the parameters as they are.
     *
     * @param decay such as 0.999: roughly the last 1 / (1 - decay) updates count
     */
    public WeightAverage(Map<String, Param> params, double decay) {
        if (!(decay > 0 && decay < 1)) {
            throw new IllegalArgumentException("the decay of a moving average must be between 0 and 1, not " + decay);
        }
        this.params = new LinkedHashMap<>(params);
        this.decay = decay;
        this.average = new Snapshot(this.params);
    }

    /** Takes the parameters in, after update {@code step}, counted from 1. */
    public void update(long step) {
        double d = Math.min(decay, (1.0 + step) / (10.0 + step));
        Tape.noGrad(() -> {
            params.forEach((path, p) -> Scope.run(() -> {
                Tensor a = average.values().get(path);
                a.accumulate(p.value().sub(a), 1 - d);
                return null;
            }));
            return null;
        });
    }

    /** Runs {@code body} while the parameters hold their averages. */
    public <R, X extends Throwable> R with(ScopedValue.CallableOp<? extends R, X> body) throws X {
        try (Snapshot before = new Snapshot(params)) {
            average.restore();
            try {
                return body.call();
            } finally {
                before.restore();
            }
        }
    }

    /** The averages by the parameters' paths: what a checkpoint saves and restores. */
    public Map<String, Tensor> state() {
        return average.values();
    }

    @Override
    public void close() {
        average.close();
    }
}
