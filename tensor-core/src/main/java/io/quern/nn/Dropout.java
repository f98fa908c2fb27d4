package io.quern.nn;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;

/** Drops elements with a probability while training, see {@link TrainingMode}; does nothing otherwise. */
public final class Dropout {
    private final double p;

    public Dropout(double p) {
        if (!(p >= 0 && p < 1)) {
            throw new TensorException("dropout: the probability must be in [0, 1), not " + p);
        }
        this.p = p;
    }

    public Tensor forward(Tensor x) {
        TrainingMode mode = TrainingMode.current();
        return mode == null || p == 0 ? x : x.dropout(p, mode.seed(), mode.nextStream());
    }

    public double probability() {
        return p;
    }
}
