package io.quern.train.optim;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Update;
import java.util.List;

/**
 * AdamW: Adam with decoupled weight decay, as torch.optim.AdamW computes it. The bias correction counts the steps of the
 * optimizer, not those of each parameter; the two differ only for a parameter that some steps leave without a gradient.
 * Source: Loshchilov and Hutter (2019).
 */
public final class AdamW extends FusedOptimizer {
    private final double beta1;
    private final double beta2;
    private final double eps;

    /**
     * @param beta1 decay of the first moment; PyTorch's default is 0.9
     * @param beta2 decay of the second moment; PyTorch's default is 0.999, GPTs mostly take 0.95
     * @param eps added to the square root; PyTorch's default is 1e-8
     */
    public AdamW(List<ParamGroup> groups, double beta1, double beta2, double eps) {
        check("adamw", "beta1", beta1, beta1 >= 0 && beta1 < 1);
        check("adamw", "beta2", beta2, beta2 >= 0 && beta2 < 1);
        check("adamw", "eps", eps, eps >= 0);
        super("adamw", groups, List.of("exp_avg", "exp_avg_sq"), 0);
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.eps = eps;
    }

    @Override
    Update update(Operands o, double lr, double gradScale, long step) {
        List<Tensor> m = o.state().stream().map(List::getFirst).toList();
        List<Tensor> v = o.state().stream().map(List::getLast).toList();
        return new Update.AdamW(o.params(), o.grads(), m, v, o.weightDecay(), lr, beta1, beta2, eps, gradScale, step);
    }
}
