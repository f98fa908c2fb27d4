package io.quern.nn;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;

/** Norm of planes [N, C, H, W] over groups of channels, with weight and bias [C]. Source: Wu and He (2018). */
public final class GroupNorm extends Module {
    private final int groups;
    private final Param weight;
    private final Param bias;
    private final double eps;

    public GroupNorm(int groups, Tensor weight, Tensor bias, double eps) {
        if (groups < 1 || weight.dim(0) % groups != 0) {
            throw new TensorException(
                    "group norm: " + groups + " groups do not divide the " + weight.dim(0) + " channels");
        }
        this.groups = groups;
        this.weight = param("weight", weight);
        this.bias = param("bias", bias);
        this.eps = eps;
    }

    public Tensor forward(Tensor x) {
        return x.reshape(x.dim(0) * groups, -1)
                .layerNorm(null, null, eps)
                .reshape(x.shape())
                .mul(weight.value().reshape(-1, 1, 1))
                .add(bias.value().reshape(-1, 1, 1));
    }
}
