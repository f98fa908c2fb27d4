package io.quern.vision.model;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.tensor.TensorException;
import io.quern.transformer.ConfigJson;
import io.quern.vision.ImageModelConfig;
import java.util.List;

/**
 * A residual network's settings.
 *
 * @param imageSize height and width of the pictures
 * @param channels of a picture
 * @param depths blocks of each stage; from the second stage on the first block halves the planes
 * @param widths planes of each stage
 * @param large whether the network begins as torchvision's do, for pictures of 224 pixels: a kernel of 7, and two halvings;
 *     else with a kernel of 3 and none
 * @param labels of the classes
 */
public record ResNetConfig(
        int imageSize, int channels, List<Integer> depths, List<Integer> widths, boolean large, List<String> labels)
        implements ImageModelConfig {
    static final String TYPE = "quern_resnet";

    public ResNetConfig {
        depths = List.copyOf(depths);
        widths = List.copyOf(widths);
        labels = List.copyOf(labels);
        boolean fits = depths.size() == widths.size() && !depths.isEmpty() && depths.size() <= 8;
        if (!fits
                || depths.stream().anyMatch(d -> d < 1 || d > 1000)
                || widths.stream().anyMatch(w -> w < 1)) {
            throw new TensorException("resnet: depths and hidden_sizes must be 1 to 8 positive numbers, equally many;"
                    + " found " + depths + " and " + widths);
        }
        if (imageSize < 1 || channels < 1 || labels.isEmpty()) {
            throw new TensorException("resnet: sizes must be positive; image_size " + imageSize + ", num_channels "
                    + channels + ", labels " + labels.size());
        }
    }

    /** Three stages of two blocks, for small pictures; of He et al. (2016), section 4.2, with fewer blocks. */
    public static ResNetConfig small(int imageSize, int channels, List<String> labels) {
        return new ResNetConfig(imageSize, channels, List.of(2, 2, 2), List.of(16, 32, 64), false, labels);
    }

    static ResNetConfig read(ConfigJson json) {
        return new ResNetConfig(
                json.integer("image_size", 1, 1 << 14, 224),
                json.integer("num_channels", 1, 1 << 10, 3),
                json.ids("depths"),
                json.ids("hidden_sizes"),
                json.flag("large", true),
                ImageModelConfig.labels(json));
    }

    @Override
    public ResNet build(Init init) {
        return new ResNet(this, init);
    }

    /**
     * Norms do nothing at first, but those that end a block's branch give zeros, so that each block begins as the identity
     * (Goyal et al., 2017); other weights are normal with variance 2 / outputs of a kernel (He et al., 2015).
     */
    @Override
    public Init init(long seed) {
        return (path, shape) -> {
            if (shape.rank() == 1) {
                boolean one = path.endsWith("running_var") || path.endsWith("weight") && !path.endsWith("bn2.weight");
                return Init.constant(one ? 1 : 0).make(path, shape);
            }
            double outputs = (double) shape.size() / shape.dim(1);
            double variance = shape.rank() == 4 ? 2 / outputs : 1.0 / shape.dim(1);
            return Init.normal(seed, Math.sqrt(variance)).make(path, shape);
        };
    }

    /** A counter of torchvision's checkpoints that only PyTorch's training has a use for. */
    @Override
    public boolean ignores(String name) {
        return name.endsWith("num_batches_tracked");
    }

    @Override
    public ObjectNode toJson() {
        ObjectNode json = ConfigJson.object();
        json.putArray("architectures").add("ResNet");
        json.put("model_type", TYPE);
        json.put("image_size", imageSize);
        json.put("num_channels", channels);
        ArrayNode d = json.putArray("depths");
        depths.forEach(d::add);
        ArrayNode w = json.putArray("hidden_sizes");
        widths.forEach(w::add);
        json.put("large", large);
        ImageModelConfig.put(labels, json);
        return json;
    }
}
