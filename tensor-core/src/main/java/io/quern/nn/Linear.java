package io.quern.nn;

import io.quern.tensor.Tensor;

/** y = x W^T + b, with the weight stored as [out, in], as PyTorch does. */
public final class Linear extends Module {
    private final Param weight;
    private final Param bias;

    /** Takes the weight [out, in] and the bias [out], which may be null. */
    public Linear(Tensor weight, Tensor bias) {
        this.weight = param("weight", weight);
        this.bias = bias == null ? null : param("bias", bias);
    }

    /** x [..., in] to [..., out]. */
    public Tensor forward(Tensor x) {
        return x.matmul(weight.value().transpose(0, 1), bias == null ? null : bias.value());
    }

    /** [out, in]. */
    public Tensor weight() {
        return weight.value();
    }

    /** [out], or null. */
    public Tensor bias() {
        return bias == null ? null : bias.value();
    }
}
