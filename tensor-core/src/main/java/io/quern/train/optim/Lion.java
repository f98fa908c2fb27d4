package io.quern.train.optim;

import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.List;

/**
 * Lion: steps of the same size in every element, by the sign of a mean of gradients; weight decay is decoupled. Wants a
 * rate 3 to 10 times lower than AdamW's, and as much more decay. Source: Chen et al., "Symbolic discovery of optimization
 * algorithms" (2023), algorithm 2.
 */
public final class Lion extends FusedOptimizer {
    private final OptimizerRule rule;

    /** With the paper's defaults. */
    public Lion(List<ParamGroup> groups) {
        this(groups, 0.9, 0.99);
    }

    /**
     * @param beta1 weight of the mean against the gradient in the direction
     * @param beta2 decay of the mean
     */
    public Lion(List<ParamGroup> groups, double beta1, double beta2) {
        check("lion", "beta1", beta1, beta1 >= 0 && beta1 < 1);
        check("lion", "beta2", beta2, beta2 >= 0 && beta2 < 1);
        super("lion", groups, List.of("exp_avg"), 0);
        rule = new OptimizerRule.Lion(beta1, beta2);
    }

    @Override
    Update update(Operands o, double lr, double gradScale, long step) {
        return new Update.GradientStep(rule, o.params(), o.grads(), o.state(), o.weightDecay(), lr, gradScale, step);
    }
}
