package io.quern.tensor;

import java.util.function.Consumer;

/** Something that holds tensors, so that {@link Scope#tidy} can let them live. */
public interface TensorHolder {
    /** Hands every tensor held to {@code action}. */
    void forEachTensor(Consumer<Tensor> action);
}
