package io.quern.nn;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Loss;
import java.util.List;

/** Losses, averaged over the elements or rows that count. */
public final class Losses {
    /** The target that PyTorch's losses skip by default. */
    public static final int IGNORE = -100;

    private Losses() {}

    /** Mean cross-entropy of logits [..., V] and targets (I32, [...]); targets of {@link #IGNORE} do not count. */
    public static Tensor crossEntropy(Tensor logits, Tensor targets) {
        return crossEntropy(logits, targets, null, IGNORE, 0);
    }

    /** Mean cross-entropy, weighted by class; see {@link Loss.CrossEntropy}. NaN if no target counts, as in PyTorch. */
    public static Tensor crossEntropy(
            Tensor logits, Tensor targets, Tensor classWeights, int ignoreIndex, double smoothing) {
        Tensor rows = logits.reshape(-1, logits.dim(-1));
        List<Tensor> r =
                Tensor.runAll(new Loss.CrossEntropy(rows, targets.reshape(-1), classWeights, ignoreIndex, smoothing));
        return r.get(0).sum().div(r.get(2).detach().sum());
    }

    /**
     * Mean binary cross-entropy, -(y log p + (1 - y) log(1 - p)), of logits z with p = sigmoid(z) and targets y in [0, 1] of as
     * many elements. Computed by the log-softmax of (0, z), so that no logit is too large for it.
     */
    public static Tensor binaryCrossEntropy(Tensor logits, Tensor targets) {
        Tensor z = logits.reshape(-1, 1);
        Tensor y = targets.reshape(-1, 1);
        Tensor zero = Tensor.zeros(z.device(), z.dtype(), z.shape());
        Tensor logs = Tensor.concat(1, zero, z).logSoftmax(); // of 1 - p and p
        return Tensor.concat(1, y.neg().shift(1), y).mul(logs).sum(1).mean().neg();
    }

    /** Mean of the squared differences. */
    public static Tensor meanSquaredError(Tensor prediction, Tensor target) {
        return prediction.sub(target).square().mean();
    }
}
