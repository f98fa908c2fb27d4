package io.quern.tensor;

import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * The result of {@link Tape#gradients}: the loss, and the gradient of every leaf that it depends on. Passes out of scopes
 * like a tensor; a Gradients that no scope holds is freed by {@link #close()}.
 */
public final class Gradients implements TensorHolder, AutoCloseable {
    private final Map<Tensor, Tensor> byLeaf = new IdentityHashMap<>();
    private Tensor loss;

    Gradients() {}

    /** The value that was differentiated. */
    public Tensor loss() {
        return loss;
    }

    void setLoss(Tensor loss) {
        this.loss = loss;
    }

    /** The gradient of a leaf, of its shape; null if the loss does not depend on it. */
    public Tensor of(Tensor leaf) {
        return byLeaf.get(leaf);
    }

    void put(Tensor leaf, Tensor gradient) {
        byLeaf.put(leaf, gradient);
    }

    /** Adds the gradients of {@code other} to these, in place: for gradient accumulation over micro-batches. */
    public void add(Gradients other) {
        other.byLeaf.forEach((leaf, g) -> {
            Tensor mine = byLeaf.get(leaf);
            if (mine == null) {
                // It must live as long as the gradients that it joins, not as long as the scope of this call.
                Tensor copy = g.copy();
                Scope.moveTo(copy.buffer(), loss.buffer());
                byLeaf.put(leaf, copy);
            } else {
                mine.accumulate(g, 1);
            }
        });
    }

    @Override
    public void forEachTensor(Consumer<Tensor> action) {
        if (loss != null) {
            action.accept(loss);
        }
        byLeaf.values().forEach(action);
    }

    @Override
    public void close() {
        forEachTensor(Tensor::close);
        byLeaf.clear();
        loss = null;
    }
}
