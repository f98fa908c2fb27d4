package io.quern.vision.model;

import io.quern.transformer.ConfigJson;
import io.quern.vision.ImageModelConfig;

/** The architectures that {@code config.json} can name. */
public final class ImageFamily {
    private ImageFamily() {}

    /** Whether this is the configuration of an image model. */
    public static boolean supports(ConfigJson json) {
        String type = json.string("model_type", "");
        return type.equals(VitConfig.TYPE)
                || type.equals(VitConfig.DISTILLED)
                || type.equals(LeNetConfig.TYPE)
                || type.equals(ResNetConfig.TYPE);
    }

    /**
     * Reads a configuration.
     *
     * @throws io.quern.tensor.TensorException if the architecture is not supported or a value is wrong
     */
    public static ImageModelConfig read(ConfigJson json) {
        return switch (json.string("model_type", "")) {
            case VitConfig.TYPE, VitConfig.DISTILLED -> VitConfig.read(json);
            case LeNetConfig.TYPE -> LeNetConfig.read(json);
            case ResNetConfig.TYPE -> ResNetConfig.read(json);
            default ->
                throw json.unexpected("model_type", "a classifier of pictures: vit, deit, lenet or quern_resnet");
        };
    }
}
