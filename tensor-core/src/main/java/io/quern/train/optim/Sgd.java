package io.quern.train.optim;

import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.List;

/** Stochastic gradient descent, with momentum if asked for, as torch.optim.SGD computes it; weight decay is L2. */
public final class Sgd extends FusedOptimizer {
    private final OptimizerRule rule;

    /** Without momentum. */
    public Sgd(List<ParamGroup> groups) {
        this(groups, 0, 0, false);
    }

    /**
     * @param momentum share of the last step's direction that is kept, 0 for none
     * @param dampening share of the gradient that does not enter the direction; PyTorch's default is 0
     * @param nesterov steps by the direction as it will be; needs a momentum and no dampening
     */
    public Sgd(List<ParamGroup> groups, double momentum, double dampening, boolean nesterov) {
        check("sgd", "momentum", momentum, momentum >= 0 && momentum < 1);
        check("sgd", "dampening", dampening, dampening >= 0 && dampening <= 1);
        if (nesterov && (momentum == 0 || dampening != 0)) {
            throw new IllegalArgumentException("sgd: Nesterov's form needs a momentum and no dampening");
        }
        super("sgd", groups, momentum == 0 ? List.of() : List.of("momentum_buffer"), 0);
        rule = new OptimizerRule.Sgd(momentum, dampening, nesterov);
    }

    @Override
    Update update(Operands o, double lr, double gradScale, long step) {
        return new Update.GradientStep(rule, o.params(), o.grads(), o.state(), o.weightDecay(), lr, gradScale, step);
    }
}
