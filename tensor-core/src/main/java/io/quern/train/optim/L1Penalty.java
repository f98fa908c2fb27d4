package io.quern.train.optim;

import io.quern.nn.Param;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise.CompareKind;
import java.util.Collection;

/** The gradient of the sum of absolute values, which drives weights to zero. Source: Tibshirani (1996), the lasso. */
public final class L1Penalty {
    private L1Penalty() {}

    /**
     * Adds factor * sign(p) to the gradient of each parameter that has one, in place: what factor * sum |p| in the loss
     * would add. At 0 the sign is 0, as in PyTorch.
     */
    public static void add(Gradients gradients, Collection<Param> params, double factor) {
        Tape.noGrad(() -> {
            for (Param p : params) {
                Tensor g = gradients.of(p.value());
                if (g != null) {
                    Scope.run(() -> {
                        g.accumulate(sign(p.value()), factor);
                        return null;
                    });
                }
            }
            return null;
        });
    }

    private static Tensor sign(Tensor x) {
        Tensor zero = Tensor.zeros(x.device(), x.dtype(), Shape.of(1));
        Tensor above = x.compare(CompareKind.GT, zero).cast(x.dtype());
        Tensor below = x.compare(CompareKind.LT, zero).cast(x.dtype());
        return above.sub(below);
    }
}
