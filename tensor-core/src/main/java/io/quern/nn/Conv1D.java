package io.quern.nn;

import io.quern.tensor.Tensor;

/** y = x W + b, with the weight stored as [in, out]: the linear layer of GPT-2's checkpoints. */
public final class Conv1D extends Module {
    private final Param weight;
    private final Param bias;

    /** Takes the weight [in, out] and the bias [out]. */
    public Conv1D(Tensor weight, Tensor bias) {
        this.weight = param("weight", weight);
        this.bias = param("bias", bias);
    }

    /** x [..., in] to [..., out]. */
    public Tensor forward(Tensor x) {
        return x.matmul(weight.value(), bias.value());
    }
}
