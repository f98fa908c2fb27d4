package io.quern.nn;

import io.quern.tensor.Tensor;

/**
 * What an adapter adds to a linear layer: {@code scaling * B A dropout(x)}, with two thin matrices that are trained while the
 * layer's weight stays. Source: Hu et al., "LoRA: Low-rank adaptation of large language models" (2021).
 *
 * @param a [rank, in]
 * @param b [out, rank]
 * @param scaling usually alpha / rank
 * @param dropout of what goes in
 */
public record LowRank(Param a, Param b, double scaling, Dropout dropout) {
    /** x [..., in] to [..., out]; scaled where there are the fewest numbers. */
    Tensor forward(Tensor x) {
        Tensor inner = dropout.forward(x).matmul(a.value().transpose(0, 1)).scale(scaling); // [..., rank]
        return inner.matmul(b.value().transpose(0, 1));
    }

    public int rank() {
        return a.shape().dim(0);
    }
}
