package io.quern.train.data;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorHolder;
import java.util.function.Consumer;

/**
 * Inputs and what the model shall make of them.
 *
 * @param inputs [B, ...]; for language models I32 token ids [B, T]
 * @param targets [B, ...]; for language models I32 [B, T], the token that follows each input
 */
public record Batch(Tensor inputs, Tensor targets) implements TensorHolder {
    @Override
    public void forEachTensor(Consumer<Tensor> action) {
        action.accept(inputs);
        action.accept(targets);
    }
}
