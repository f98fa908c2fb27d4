package io.quern.train.optim;

import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.List;

/**
 * Adagrad, as torch.optim.Adagrad computes it: rates fall with the squared gradients seen so far; weight decay is L2.
 * Source: Duchi, Hazan and Singer (2011).
 */
public final class Adagrad extends FusedOptimizer {
    private final OptimizerRule rule;

    /** With PyTorch's defaults. */
    public Adagrad(List<ParamGroup> groups) {
        this(groups, 0, 0, 1e-10);
    }

    /**
     * @param lrDecay in step i, counted from 0, the rate is divided by 1 + i * lrDecay
     * @param initialAccumulator value of the sums of squares at the start
     * @param eps added to the square root
     */
    public Adagrad(List<ParamGroup> groups, double lrDecay, double initialAccumulator, double eps) {
        check("adagrad", "the decay of the rate", lrDecay, lrDecay >= 0);
        check("adagrad", "the initial sum", initialAccumulator, initialAccumulator >= 0);
        check("adagrad", "eps", eps, eps >= 0);
        super("adagrad", groups, List.of("sum"), initialAccumulator);
        rule = new OptimizerRule.Adagrad(lrDecay, eps);
    }

    @Override
    Update update(Operands o, double lr, double gradScale, long step) {
        return new Update.GradientStep(rule, o.params(), o.grads(), o.state(), o.weightDecay(), lr, gradScale, step);
    }
}
