package io.quern.vision.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.tensor.TensorException;
import io.quern.transformer.ConfigJson;
import io.quern.vision.ImageModelConfig;
import java.util.List;

/**
 * LeNet-5's settings.
 *
 * @param imageSize height and width, 28 for digits; 12 or more and a multiple of 4
 * @param channels of a picture
 * @param tanh whether units are tanh and pooling is by the mean, as in 1998; else ReLU and the maximum
 * @param dropout before the fully connected layers
 * @param labels of the classes
 */
public record LeNetConfig(int imageSize, int channels, boolean tanh, double dropout, List<String> labels)
        implements ImageModelConfig {
    static final String TYPE = "lenet";

    public LeNetConfig {
        if (imageSize < 12 || imageSize % 4 != 0 || channels < 1 || labels.isEmpty()) {
            throw new TensorException("lenet: needs image_size a multiple of 4 from 12 on, num_channels and labels;"
                    + " found " + imageSize + ", " + channels + ", " + labels.size());
        }
        labels = List.copyOf(labels);
    }

    static LeNetConfig read(ConfigJson json) {
        String activation = json.string("hidden_act", "relu");
        if (!List.of("relu", "tanh").contains(activation)) {
            throw json.unexpected("hidden_act", "relu or tanh");
        }
        double dropout = json.number("hidden_dropout_prob", 0);
        if (!(dropout >= 0 && dropout < 1)) {
            throw json.unexpected("hidden_dropout_prob", "a probability below 1");
        }
        return new LeNetConfig(
                json.integer("image_size", 1, 1 << 12, 28),
                json.integer("num_channels", 1, 1 << 10, 1),
                activation.equals("tanh"),
                dropout,
                ImageModelConfig.labels(json));
    }

    /** Elements that the first fully connected layer sees. */
    int features() {
        int side = (imageSize / 2 - 4) / 2;
        return 16 * side * side;
    }

    @Override
    public LeNet build(Init init) {
        return new LeNet(this, init);
    }

    /** Zeros for biases, else normal with variance 2 / inputs for ReLU and 1 / inputs for tanh. Source: He et al. (2015). */
    @Override
    public Init init(long seed) {
        return (path, shape) -> {
            if (path.endsWith("bias")) {
                return Init.constant(0).make(path, shape);
            }
            double inputs = (double) shape.size() / shape.dim(0);
            return Init.normal(seed, Math.sqrt((tanh ? 1 : 2) / inputs)).make(path, shape);
        };
    }

    @Override
    public ObjectNode toJson() {
        ObjectNode json = ConfigJson.object();
        json.putArray("architectures").add("LeNet5");
        json.put("model_type", TYPE);
        json.put("image_size", imageSize);
        json.put("num_channels", channels);
        json.put("hidden_act", tanh ? "tanh" : "relu");
        json.put("hidden_dropout_prob", dropout);
        ImageModelConfig.put(labels, json);
        return json;
    }
}
