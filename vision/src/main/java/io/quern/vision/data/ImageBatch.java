package io.quern.vision.data;

import io.quern.nn.Losses;
import io.quern.tensor.Tensor;

/**
 * Pictures for a step.
 *
 * @param pixels normalised, [N, C, H, W]
 * @param targets classes, I32 [N]
 * @param others classes of the pictures mixed in, or null
 * @param share of {@code targets} in the mixture
 */
public record ImageBatch(Tensor pixels, Tensor targets, Tensor others, double share) {
    /** Mean cross-entropy of logits [N, classes]; of a mixture the mixture of both. */
    public Tensor loss(Tensor logits, double smoothing) {
        Tensor first = Losses.crossEntropy(logits, targets, null, Losses.IGNORE, smoothing);
        return others == null
                ? first
                : first.scale(share)
                        .add(Losses.crossEntropy(logits, others, null, Losses.IGNORE, smoothing)
                                .scale(1 - share));
    }
}
