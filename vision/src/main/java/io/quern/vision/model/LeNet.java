package io.quern.vision.model;

import io.quern.nn.Conv2d;
import io.quern.nn.Dropout;
import io.quern.nn.Init;
import io.quern.nn.Linear;
import io.quern.nn.Pooling;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Conv;
import io.quern.vision.ImageModel;

/**
 * LeNet-5: two convolutions of 5 x 5, each pooled by 2, and three fully connected layers. Source: LeCun et al.,
 * "Gradient-based learning applied to document recognition" (1998), with all planes connected and a softmax at the end.
 */
public final class LeNet extends ImageModel {
    private final LeNetConfig config;
    private final Conv2d conv1;
    private final Conv2d conv2;
    private final Linear fc1;
    private final Linear fc2;
    private final Linear fc3;
    private final Dropout dropout;

    public LeNet(LeNetConfig config, Init init) {
        this.config = config;
        conv1 = child("conv1", conv(init, "conv1", config.channels(), 6, 2));
        conv2 = child("conv2", conv(init, "conv2", 6, 16, 0));
        fc1 = child("fc1", linear(init, "fc1", config.features(), 120));
        fc2 = child("fc2", linear(init, "fc2", 120, 84));
        fc3 = child("fc3", linear(init, "fc3", 84, config.labels().size()));
        dropout = new Dropout(config.dropout());
        nameParameters();
    }

    private static Conv2d conv(Init init, String path, int in, int out, int padding) {
        return new Conv2d(
                init.make(path + ".weight", Shape.of(out, in, 5, 5)),
                init.make(path + ".bias", Shape.of(out)),
                Conv.Geometry.of(1, padding));
    }

    private static Linear linear(Init init, String path, int in, int out) {
        return new Linear(init.make(path + ".weight", Shape.of(out, in)), init.make(path + ".bias", Shape.of(out)));
    }

    @Override
    public Tensor forward(Tensor pixels) {
        Tensor x = pool(unit(conv1.forward(pixels))); // [N, 6, H / 2, W / 2]
        x = pool(unit(conv2.forward(x)));
        x = dropout.forward(x.reshape(x.dim(0), config.features()));
        x = dropout.forward(unit(fc1.forward(x)));
        return fc3.forward(unit(fc2.forward(x)));
    }

    private Tensor unit(Tensor x) {
        return config.tanh() ? x.tanh() : x.relu();
    }

    private Tensor pool(Tensor x) {
        return config.tanh() ? Pooling.average(x, 2, 2, 0) : Pooling.max(x, 2, 2, 0);
    }

    @Override
    public LeNetConfig config() {
        return config;
    }
}
