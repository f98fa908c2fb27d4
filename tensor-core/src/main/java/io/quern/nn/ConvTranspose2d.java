package io.quern.nn;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Conv;

/**
 * Transposed convolution of planes [N, in, H, W], with the weight stored as [in, out / groups, KH, KW], as PyTorch does:
 * the gradient of a convolution of this geometry with respect to its input. A result has (H - 1) * stride - 2 * padding +
 * dilation * (KH - 1) + 1 rows, and {@code outputPadding} more, by which the sizes that a stride maps to one are told apart.
 */
public final class ConvTranspose2d extends Module {
    private final Param weight;
    private final Param bias;
    private final Conv.Geometry geometry;
    private final int outputPadding;

    /** The bias [out] may be null. */
    public ConvTranspose2d(Tensor weight, Tensor bias, Conv.Geometry geometry, int outputPadding) {
        if (outputPadding < 0
                || outputPadding > 0
                        && outputPadding >= Math.max(geometry.strideH(), geometry.dilationH())
                        && outputPadding >= Math.max(geometry.strideW(), geometry.dilationW())) {
            throw new TensorException("transposed convolution: the output padding must be 0 or more and smaller than"
                    + " the stride or the dilation, not " + outputPadding);
        }
        this.weight = param("weight", weight);
        this.bias = bias == null ? null : param("bias", bias);
        this.geometry = geometry;
        this.outputPadding = outputPadding;
    }

    public Tensor forward(Tensor x) {
        Conv.Geometry g = geometry;
        Shape w = weight.shape();
        int rows = size(x.dim(2), w.dim(2), g.strideH(), g.paddingH(), g.dilationH());
        int columns = size(x.dim(3), w.dim(3), g.strideW(), g.paddingW(), g.dilationW());
        Shape result = Shape.of(x.dim(0), w.dim(1) * g.groups(), rows, columns);
        Tensor y = Tensor.run(new Conv.InputGrad(x, weight.value(), result, geometry));
        return bias == null ? y : y.add(bias.value().reshape(-1, 1, 1));
    }

    private int size(int size, int kernel, int stride, int padding, int dilation) {
        int n = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + outputPadding;
        if (n < 1) {
            throw new TensorException("transposed convolution: of " + size + " rows or columns nothing is left");
        }
        return n;
    }
}
