package io.quern.vision.data;

import io.quern.tensor.Tensor;

/**
 * Pictures for a step of an autoencoder, as values from 0 to 1.
 *
 * @param input what the encoder sees, [N, C, H, W]
 * @param target what the decoder should say
 */
public record AutoencoderBatch(Tensor input, Tensor target) {}
