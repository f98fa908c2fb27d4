package io.quern.nn;

import io.quern.tensor.Tensor;
import java.util.List;

/** Layer norm over the innermost dimension, with weight and bias [C]. */
public final class LayerNorm extends Module {
    private final Param weight;
    private final Param bias;
    private final double eps;

    public LayerNorm(Tensor weight, Tensor bias, double eps) {
        this.weight = param("weight", weight);
        this.bias = param("bias", bias);
        this.eps = eps;
    }

    public Tensor forward(Tensor x) {
        return x.layerNorm(weight.value(), bias.value(), eps);
    }

    /** The norm of x + added, then that sum, in one pass. */
    public List<Tensor> forwardSum(Tensor x, Tensor added) {
        return x.addLayerNorm(added, weight.value(), bias.value(), eps);
    }
}
