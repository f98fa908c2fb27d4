package io.quern.nn;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise.UnaryKind;

/** y = x W + b, with the weight stored as [in, out]: the linear layer of GPT-2's checkpoints. */
public final class Conv1D extends LinearLayer {
    private final Param weight;
    private final Param bias;

    /** Takes the weight [in, out] and the bias [out]. */
    public Conv1D(Tensor weight, Tensor bias) {
        this.weight = param("weight", weight);
        this.bias = param("bias", bias);
    }

    @Override
    Tensor apply(Tensor x) {
        return x.matmul(weight.value(), bias.value());
    }

    @Override
    Tensor apply(Tensor x, UnaryKind f) {
        return x.matmul(weight.value(), bias.value(), f);
    }

    @Override
    public int inputs() {
        return weight.shape().dim(0);
    }

    @Override
    public int outputs() {
        return weight.shape().dim(1);
    }

    @Override
    Param weightParam() {
        return weight;
    }

    @Override
    Tensor product(LowRank adapter) {
        return adapter.a().value().transpose(0, 1).matmul(adapter.b().value().transpose(0, 1));
    }
}
