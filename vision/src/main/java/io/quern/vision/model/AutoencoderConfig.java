package io.quern.vision.model;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.tensor.TensorException;
import io.quern.transformer.Activation;
import io.quern.transformer.ConfigJson;
import io.quern.vision.NetworkConfig;
import io.quern.vision.data.Damage;
import java.util.List;
import java.util.Locale;

/**
 * An autoencoder's settings.
 *
 * @param kind what it is for, and so how it is built
 * @param imageSize height and width; convolutional ones halve them once for each of the hidden sizes
 * @param imageChannels of the pictures that come out: 1 for grey, 3 for colour
 * @param hidden widths of the hidden layers of the encoder, or its numbers of planes; the decoder mirrors them
 * @param codes size of a picture's code
 * @param activation of the hidden layers
 * @param activeCodes whether the activation is applied to the codes too; else they are linear
 * @param noise standard deviation of the noise that a denoising one removes; 1 is from black to white
 * @param hole edge in pixels of the square that an inpainting one fills
 */
public record AutoencoderConfig(
        Kind kind,
        int imageSize,
        int imageChannels,
        List<Integer> hidden,
        int codes,
        Activation activation,
        boolean activeCodes,
        double noise,
        int hole)
        implements NetworkConfig<Autoencoder> {
    private static final String TYPE = "quern_autoencoder";
    private static final int WIDEST = 1 << 16;

    /** What an autoencoder is for. */
    public enum Kind {
        /** Codes by fully connected layers. Source: Hinton and Salakhutdinov, "Reducing the dimensionality" (2006). */
        DEEP(false, false, List.of(1000, 500, 250)),
        /** Codes by convolutions. */
        CONV(true, false, List.of(16, 32)),
        /** Pictures without noise from pictures with. Source: Vincent et al. (2008). */
        DENOISING(true, true, List.of(16, 32)),
        /** Codes as a normal distribution for each picture. Source: Kingma and Welling (2014). */
        VARIATIONAL(false, false, List.of(500, 250)),
        /** Whole pictures from pictures with a hole. Source: Pathak et al., "Context encoders" (2016). */
        INPAINTING(true, true, List.of(16, 32)),
        /** Colour from grey. */
        COLOURING(true, true, List.of(16, 32));

        private final boolean convolutional;
        private final boolean skips;
        private final List<Integer> hidden;

        Kind(boolean convolutional, boolean skips, List<Integer> hidden) {
            this.convolutional = convolutional;
            this.skips = skips;
            this.hidden = hidden;
        }

        /** Hidden sizes of a new model, unless asked for others. */
        public List<Integer> hidden() {
            return hidden;
        }

        public boolean convolutional() {
            return convolutional;
        }

        /**
         * Whether planes of the encoder are added to those of the decoder, so that what is to be kept of a picture need
         * not pass through its code. Source: Ronneberger et al., "U-Net" (2015), which appends them.
         */
        boolean skips() {
            return skips;
        }

        /** The name in {@code config.json} and on command lines. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    public AutoencoderConfig {
        hidden = List.copyOf(hidden);
        int divisor = kind.convolutional ? 1 << Math.min(hidden.size(), 30) : 1;
        if (hidden.isEmpty() || hidden.stream().anyMatch(h -> h < 1 || h > WIDEST)) {
            throw new TensorException(
                    "autoencoder: hidden_sizes must be one or more, each 1 to " + WIDEST + "; found " + hidden);
        }
        if (imageSize < 1 || imageSize % divisor != 0) {
            throw new TensorException("autoencoder: image_size " + imageSize + " cannot be halved once for each of the "
                    + hidden.size() + " hidden_sizes of a convolutional one");
        }
        if (imageChannels != 1 && imageChannels != 3 || kind == Kind.COLOURING && imageChannels != 3) {
            throw new TensorException("autoencoder: num_channels must be "
                    + (kind == Kind.COLOURING ? "3 for colouring" : "1 or 3") + ", not " + imageChannels);
        }
        if (codes < 1 || codes > WIDEST) {
            throw new TensorException("autoencoder: code_size must be 1 to " + WIDEST + ", not " + codes);
        }
        if (!(noise >= 0 && noise <= 10) || kind == Kind.INPAINTING && (hole < 1 || hole > imageSize)) {
            throw new TensorException("autoencoder: noise must be 0 to 10 and hole 1 to image_size " + imageSize
                    + "; found " + noise + " and " + hole);
        }
    }

    /** Whether {@code config.json} is that of an autoencoder. */
    public static boolean supports(ConfigJson json) {
        return json.string("model_type", "").equals(TYPE);
    }

    /**
     * Reads {@code config.json}.
     *
     * @throws TensorException if it is of another model, or a value is missing or wrong
     */
    public static AutoencoderConfig read(ConfigJson json) {
        if (!supports(json)) {
            throw json.unexpected("model_type", TYPE);
        }
        String kind = json.string("kind", "");
        Kind found = List.of(Kind.values()).stream()
                .filter(k -> k.label().equals(kind))
                .findFirst()
                .orElseThrow(() -> json.unexpected(
                        "kind",
                        "one of "
                                + List.of(Kind.values()).stream()
                                        .map(Kind::label)
                                        .toList()));
        String activation = json.string("hidden_act", "relu");
        return new AutoencoderConfig(
                found,
                json.integer("image_size", 1, 1 << 12),
                json.integer("num_channels", 1, 3),
                json.ids("hidden_sizes"),
                json.integer("code_size", 1, WIDEST),
                Activation.find(activation)
                        .orElseThrow(() -> json.unexpected("hidden_act", "one of " + Activation.labels())),
                json.flag("active_codes", false),
                json.number("noise", 0),
                json.integer("hole", 0, 1 << 12, 0));
    }

    /** What is done to pictures before the encoder sees them. */
    public Damage damage() {
        return switch (kind) {
            case DEEP, CONV, VARIATIONAL -> Damage.NONE;
            case DENOISING -> new Damage.Noise(noise);
            case INPAINTING -> new Damage.Hole(hole);
            case COLOURING -> new Damage.Grey();
        };
    }

    @Override
    public int channels() {
        return damage().channels(imageChannels);
    }

    @Override
    public Autoencoder build(Init init) {
        return kind.convolutional ? new ConvAutoencoder(this, init) : new DeepAutoencoder(this, init);
    }

    /**
     * Zeros for biases, else normal with variance 2 / inputs, 1 / inputs where no activation follows. Source: He et al.
     * (2015). A transposed convolution of kernel 4 and stride 2 sums 4 taps of each plane.
     */
    @Override
    public Init init(long seed) {
        return (path, shape) -> {
            if (path.endsWith("bias")) {
                return Init.constant(0).make(path, shape);
            }
            boolean transposed = shape.rank() == 4 && path.startsWith("decoder");
            double inputs = transposed ? 4.0 * shape.dim(0) : (double) shape.size() / shape.dim(0);
            boolean linear = path.contains(".code.") || path.contains(".last.");
            return Init.normal(seed, Math.sqrt((linear ? 1 : 2) / inputs)).make(path, shape);
        };
    }

    @Override
    public ObjectNode toJson() {
        ObjectNode json = ConfigJson.object();
        json.putArray("architectures").add("QuernAutoencoder");
        json.put("model_type", TYPE);
        json.put("kind", kind.label());
        json.put("image_size", imageSize);
        json.put("num_channels", imageChannels);
        ArrayNode sizes = json.putArray("hidden_sizes");
        hidden.forEach(sizes::add);
        json.put("code_size", codes);
        json.put("hidden_act", activation.label());
        json.put("active_codes", activeCodes);
        json.put("noise", noise);
        json.put("hole", hole);
        return json;
    }
}
