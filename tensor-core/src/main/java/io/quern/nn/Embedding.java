package io.quern.nn;

import io.quern.tensor.Tensor;

/** A table [V, C] of vectors. */
public final class Embedding extends Module {
    private final Param weight;

    public Embedding(Tensor weight) {
        this.weight = param("weight", weight);
    }

    /** ids (I32, any shape) to [ids..., C]. */
    public Tensor forward(Tensor ids) {
        return weight.value().embedding(ids);
    }

    /** The table, for an output layer tied to it: x [..., C] to logits [..., V]. */
    public Tensor project(Tensor x) {
        return x.matmul(weight.value().transpose(0, 1));
    }

    public Param weight() {
        return weight;
    }
}
