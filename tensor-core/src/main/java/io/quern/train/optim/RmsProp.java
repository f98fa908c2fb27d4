package io.quern.train.optim;

import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.ArrayList;
import java.util.List;

/** RMSProp, as torch.optim.RMSprop computes it; weight decay is L2. Source: Tieleman and Hinton (2012). */
public final class RmsProp extends FusedOptimizer {
    private final OptimizerRule rule;

    /** With PyTorch's defaults. */
    public RmsProp(List<ParamGroup> groups) {
        this(groups, 0.99, 1e-8, 0, false);
    }

    /**
     * @param alpha decay of the mean of squares
     * @param eps added to the square root
     * @param momentum share of the last step that is kept, 0 for none
     * @param centered divides by the standard deviation of the gradients instead of their root mean square
     */
    public RmsProp(List<ParamGroup> groups, double alpha, double eps, double momentum, boolean centered) {
        check("rmsprop", "alpha", alpha, alpha >= 0 && alpha < 1);
        check("rmsprop", "eps", eps, eps >= 0);
        check("rmsprop", "momentum", momentum, momentum >= 0 && momentum < 1);
        super("rmsprop", groups, names(momentum, centered), 0);
        rule = new OptimizerRule.RmsProp(alpha, eps, momentum, centered);
    }

    private static List<String> names(double momentum, boolean centered) {
        List<String> names = new ArrayList<>(List.of("square_avg"));
        if (centered) {
            names.add("grad_avg");
        }
        if (momentum != 0) {
            names.add("momentum_buffer");
        }
        return names;
    }

    @Override
    Update update(Operands o, double lr, double gradScale, long step) {
        return new Update.GradientStep(rule, o.params(), o.grads(), o.state(), o.weightDecay(), lr, gradScale, step);
    }
}
