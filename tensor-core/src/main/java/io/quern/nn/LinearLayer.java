package io.quern.nn;

import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Elementwise.UnaryKind;

/** A linear layer, to which a product of low rank can be added: see {@link LowRank}. */
public abstract sealed class LinearLayer extends Module permits Linear, Conv1D {
    private LowRank adapter;

    /** Numbers that go in. */
    public abstract int inputs();

    /** Numbers that come out. */
    public abstract int outputs();

    /** The layer without an adapter. */
    abstract Tensor apply(Tensor x);

    /** f of the layer without an adapter. */
    abstract Tensor apply(Tensor x, UnaryKind f);

    abstract Param weightParam();

    /** B A, [out, in], in the layout of this layer's weight. */
    abstract Tensor product(LowRank adapter);

    /** x [..., in] to [..., out]. */
    public final Tensor forward(Tensor x) {
        Tensor y = apply(x);
        return adapter == null ? y : y.add(adapter.forward(x));
    }

    /** f of {@link #forward(Tensor)}, in one pass with the bias where no adapter is added after it. */
    public final Tensor forward(Tensor x, UnaryKind f) {
        return adapter == null ? apply(x, f) : Tensor.run(new Elementwise.Unary(f, forward(x)));
    }

    /** What was attached, or null. */
    public final LowRank adapter() {
        return adapter;
    }

    /**
     * Adds {@code scaling * B A dropout(x)} to the result. The factors become parameters of this layer, {@code lora_A.weight}
     * and {@code lora_B.weight}; the layer's own parameters stay as they are, trainable or not.
     *
     * @param path of this layer in its model, for the names of the parameters
     * @param a [rank, in]
     * @param b [out, rank]
     * @throws TensorException if the shapes do not fit, or there is an adapter already
     */
    public final void attach(String path, Tensor a, Tensor b, double scaling, double dropout) {
        if (adapter != null) {
            throw new TensorException(path + " has an adapter already; merge it first");
        }
        Shape sa = a.shape();
        Shape sb = b.shape();
        if (sa.rank() != 2
                || sb.rank() != 2
                || sa.dim(1) != inputs()
                || sb.dim(0) != outputs()
                || sa.dim(0) != sb.dim(1)) {
            throw new TensorException("the adapter of " + path + " needs lora_A [rank, " + inputs() + "] and lora_B ["
                    + outputs() + ", rank], found " + sa + " and " + sb);
        }
        Param pa = param("lora_A.weight", a);
        Param pb = param("lora_B.weight", b);
        pa.rename(path + ".lora_A.weight");
        pb.rename(path + ".lora_B.weight");
        adapter = new LowRank(pa, pb, scaling, new Dropout(dropout));
    }

    /**
     * Adds the adapter's product to the weight, and takes the adapter away: the same function without its cost.
     *
     * @throws TensorException if the weight is not F32 in memory of its own
     */
    public final void merge() {
        if (adapter == null) {
            return;
        }
        Param weight = weightParam();
        Scope.run(() -> Tape.noGrad(() -> {
            Tensor w = weight.value();
            if (w.dtype() != adapter.a().value().dtype()) {
                throw new TensorException("an adapter cannot be merged into " + w.describe()
                        + ", whose rounding would lose it; load the model for training, which makes it F32");
            }
            weight.set(w.add(product(adapter).scale(adapter.scaling())));
            return null;
        }));
        removeParam("lora_A.weight");
        removeParam("lora_B.weight");
        adapter = null;
    }

    final void refuseAdapter() {
        if (adapter != null) {
            throw new TensorException("the weight " + weightParam().name()
                    + " is not all of the layer while it has an adapter; merge it first");
        }
    }
}
