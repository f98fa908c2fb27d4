package io.quern.nn;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Conv;

/** Convolution of planes [N, C, H, W], with the weight stored as [out, in / groups, KH, KW], as PyTorch does. */
public final class Conv2d extends Module {
    private final Param weight;
    private final Param bias;
    private final Conv.Geometry geometry;

    /** The bias [out] may be null. */
    public Conv2d(Tensor weight, Tensor bias, Conv.Geometry geometry) {
        this.weight = param("weight", weight);
        this.bias = bias == null ? null : param("bias", bias);
        this.geometry = geometry;
    }

    public Tensor forward(Tensor x) {
        return x.conv2d(weight.value(), bias == null ? null : bias.value(), geometry);
    }
}
