package io.quern.train.optim;

import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.List;

/**
 * Adam, as torch.optim.Adam computes it: weight decay is L2, a part of the gradient; see {@link AdamW} for the decoupled
 * kind. Source: Kingma and Ba (2015).
 */
public final class Adam extends FusedOptimizer {
    private final OptimizerRule rule;

    /** With PyTorch's defaults. */
    public Adam(List<ParamGroup> groups) {
        this(groups, 0.9, 0.999, 1e-8);
    }

    /**
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param eps added to the square root
     */
    public Adam(List<ParamGroup> groups, double beta1, double beta2, double eps) {
        check("adam", "beta1", beta1, beta1 >= 0 && beta1 < 1);
        check("adam", "beta2", beta2, beta2 >= 0 && beta2 < 1);
        check("adam", "eps", eps, eps >= 0);
        super("adam", groups, List.of("exp_avg", "exp_avg_sq"), 0);
        rule = new OptimizerRule.Adam(beta1, beta2, eps);
    }

    @Override
    Update update(Operands o, double lr, double gradScale, long step) {
        return new Update.GradientStep(rule, o.params(), o.grads(), o.state(), o.weightDecay(), lr, gradScale, step);
    }
}
