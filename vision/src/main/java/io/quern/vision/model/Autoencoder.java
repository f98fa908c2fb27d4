package io.quern.vision.model;

import io.quern.nn.Losses;
import io.quern.nn.Module;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.List;

/** A network that makes a code of a picture and the picture, or one without its faults, of the code. */
public abstract sealed class Autoencoder extends Module permits DeepAutoencoder, ConvAutoencoder {
    private final AutoencoderConfig config;

    Autoencoder(AutoencoderConfig config) {
        this.config = config;
    }

    /**
     * What the last layer of the encoder says: [N, codes]; for a variational one [N, 2 codes], means and logarithms of
     * variances.
     *
     * @param planes gets what the decoder may add to its own, largest planes first
     */
    abstract Tensor encoder(Tensor pixels, List<Tensor> planes);

    /** Logits [N, C, H, W] of the pixels. */
    abstract Tensor decoder(Tensor codes, List<Tensor> planes);

    public final AutoencoderConfig config() {
        return config;
    }

    /** How many numbers the encoder's last layer gives for a picture. */
    final int encoded() {
        return isVariational() ? 2 * config.codes() : config.codes();
    }

    final boolean isVariational() {
        return config.kind() == AutoencoderConfig.Kind.VARIATIONAL;
    }

    /** Pixels [N, C, H, W] from 0 to 1 to codes [N, codes]; of a variational one the means. */
    public final Tensor encode(Tensor pixels) {
        return means(encoder(checked(pixels), new ArrayList<>()));
    }

    /**
     * Codes [N, codes] to pixels [N, C, H, W] from 0 to 1.
     *
     * @throws TensorException if the decoder needs the picture too
     */
    public final Tensor decode(Tensor codes) {
        if (config.kind().skips()) {
            throw new TensorException(
                    "autoencoder: the decoder of kind " + config.kind().label()
                            + " sees the encoder's planes, so codes alone make no picture; use reconstruct");
        }
        if (codes.shape().rank() != 2 || codes.dim(1) != config.codes()) {
            throw new TensorException(
                    "autoencoder: expected codes [N, " + config.codes() + "]; got " + codes.describe());
        }
        return decoder(codes, List.of()).sigmoid();
    }

    /** What becomes of pixels [N, C, H, W] from 0 to 1: pixels from 0 to 1, in colour if the model colours. */
    public final Tensor reconstruct(Tensor pixels) {
        List<Tensor> planes = new ArrayList<>();
        Tensor codes = means(encoder(checked(pixels), planes));
        return decoder(codes, planes).sigmoid();
    }

    /**
     * How far pictures made of {@code input} are from {@code target}: mean squared difference of the pixels. Of a
     * variational one, the negative evidence lower bound in nats a pixel: cross-entropy of the pixels with one drawn code,
     * plus the divergence of the codes' distribution from the standard normal one; outside {@link TrainingMode} with the
     * mean code.
     */
    public final Tensor loss(Tensor input, Tensor target) {
        List<Tensor> planes = new ArrayList<>();
        Tensor encoded = encoder(checked(input), planes);
        if (!isVariational()) {
            return Losses.meanSquaredError(decoder(encoded, planes).sigmoid(), target);
        }
        int codes = config.codes();
        Tensor mean = encoded.narrow(1, 0, codes);
        Tensor logVariance = encoded.narrow(1, codes, codes);
        Tensor logits = decoder(drawn(mean, logVariance), planes);
        // -log p(t | x) = max(x, 0) - t x + log(1 + exp(-|x|)), which does not overflow.
        Tensor crossEntropy = logits.relu()
                .sub(logits.mul(target))
                .add(logits.abs().neg().exp().shift(1).log())
                .mean();
        Tensor divergence = mean.square()
                .add(logVariance.exp())
                .sub(logVariance)
                .shift(-1)
                .sum()
                .scale(0.5 / target.size());
        return crossEntropy.add(divergence);
    }

    private Tensor means(Tensor encoded) {
        return isVariational() ? encoded.narrow(1, 0, config.codes()) : encoded;
    }

    private static Tensor drawn(Tensor mean, Tensor logVariance) {
        TrainingMode mode = TrainingMode.current();
        if (mode == null) {
            return mean;
        }
        Shape s = mean.shape();
        Tensor normal = Tensor.randn(new Rng(mode.seed(), mode.nextStream()), 1, s.dims())
                .to(mean.device());
        return mean.add(logVariance.scale(0.5).exp().mul(normal));
    }

    private Tensor checked(Tensor pixels) {
        int side = config.imageSize();
        if (pixels.shape().rank() != 4
                || pixels.dim(1) != config.channels()
                || pixels.dim(2) != side
                || pixels.dim(3) != side) {
            throw new TensorException("autoencoder: expected pixels [N, " + config.channels() + ", " + side + ", "
                    + side + "]; got " + pixels.describe());
        }
        return pixels;
    }
}
