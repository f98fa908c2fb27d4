package io.quern.train.data;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorHolder;
import java.util.function.Consumer;

/**
 * Token sequences of several lengths, padded on the right.
 *
 * @param inputs I32 [B, T] token ids
 * @param mask I32 [B, T], 1 where there is a token, 0 where there is padding
 * @param lengths I32 [B], tokens of each sequence
 * @param targets classes, I32 [B]; or the token after each, I32 [B, T], which is
 *     {@link io.quern.nn.Losses#IGNORE} where there is none
 */
public record PaddedBatch(Tensor inputs, Tensor mask, Tensor lengths, Tensor targets) implements TensorHolder {
    @Override
    public void forEachTensor(Consumer<Tensor> action) {
        action.accept(inputs);
        action.accept(mask);
        action.accept(lengths);
        action.accept(targets);
    }
}
