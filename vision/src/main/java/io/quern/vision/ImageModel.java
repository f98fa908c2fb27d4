package io.quern.vision;

import io.quern.nn.Module;
import io.quern.tensor.Tensor;

/** A model from pictures to one score per class. */
public abstract class ImageModel extends Module {
    public abstract ImageModelConfig config();

    /** Normalised pixels [N, C, H, W] to logits [N, classes]. */
    public abstract Tensor forward(Tensor pixels);
}
