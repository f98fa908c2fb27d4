package io.quern.nn;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise.UnaryKind;

/** y = x W^T + b, with the weight stored as [out, in], as PyTorch does. */
public final class Linear extends LinearLayer {
    private final Param weight;
    private final Param bias;

    /** Takes the weight [out, in] and the bias [out], which may be null. */
    public Linear(Tensor weight, Tensor bias) {
        this.weight = param("weight", weight);
        this.bias = bias == null ? null : param("bias", bias);
    }

    @Override
    Tensor apply(Tensor x) {
        return x.matmul(weight.value().transpose(0, 1), bias == null ? null : bias.value());
    }

    @Override
    Tensor apply(Tensor x, UnaryKind f) {
        return x.matmul(weight.value().transpose(0, 1), bias == null ? null : bias.value(), f);
    }

    /** [out, in]; refused while there is an adapter, of which it does not tell. */
    public Tensor weight() {
        refuseAdapter();
        return weight.value();
    }

    /** [out], or null. */
    public Tensor bias() {
        return bias == null ? null : bias.value();
    }

    @Override
    public int inputs() {
        return weight.shape().dim(1);
    }

    @Override
    public int outputs() {
        return weight.shape().dim(0);
    }

    @Override
    Param weightParam() {
        return weight;
    }

    @Override
    Tensor product(LowRank adapter) {
        return adapter.b().value().matmul(adapter.a().value());
    }
}
