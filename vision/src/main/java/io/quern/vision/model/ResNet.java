package io.quern.vision.model;

import io.quern.nn.BatchNorm2d;
import io.quern.nn.Conv2d;
import io.quern.nn.Init;
import io.quern.nn.Linear;
import io.quern.nn.Module;
import io.quern.nn.Pooling;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Conv;
import io.quern.vision.ImageModel;
import java.util.ArrayList;
import java.util.List;

/**
 * A residual network of blocks of two convolutions. Parameters have the paths of torchvision's {@code resnet18} and
 * {@code resnet34}. Source: He et al., "Deep residual learning for image recognition" (2016).
 */
public final class ResNet extends ImageModel {
    private final ResNetConfig config;
    private final Conv2d stem;
    private final BatchNorm2d stemNorm;
    private final List<Block> blocks = new ArrayList<>();
    private final Linear classifier;

    public ResNet(ResNetConfig config, Init init) {
        this.config = config;
        int width = config.widths().getFirst();
        stem = child(
                "conv1", conv(init, "conv1", config.channels(), width, config.large() ? 7 : 3, config.large() ? 2 : 1));
        stemNorm = child("bn1", norm(init, "bn1", width));
        for (int stage = 0; stage < config.depths().size(); stage++) {
            int out = config.widths().get(stage);
            for (int i = 0; i < config.depths().get(stage); i++) {
                String path = "layer" + (stage + 1) + "." + i;
                int stride = i == 0 && stage > 0 ? 2 : 1;
                blocks.add(child(path, new Block(init.at(path + "."), width, out, stride)));
                width = out;
            }
        }
        int classes = config.labels().size();
        classifier = child(
                "fc",
                new Linear(init.make("fc.weight", Shape.of(classes, width)), init.make("fc.bias", Shape.of(classes))));
        nameParameters();
    }

    private static Conv2d conv(Init init, String path, int in, int out, int kernel, int stride) {
        return new Conv2d(
                init.make(path + ".weight", Shape.of(out, in, kernel, kernel)),
                null,
                Conv.Geometry.of(stride, kernel / 2));
    }

    private static BatchNorm2d norm(Init init, String path, int planes) {
        Shape shape = Shape.of(planes);
        return new BatchNorm2d(
                init.make(path + ".weight", shape),
                init.make(path + ".bias", shape),
                init.make(path + ".running_mean", shape),
                init.make(path + ".running_var", shape),
                0.1,
                1e-5);
    }

    @Override
    public Tensor forward(Tensor pixels) {
        Tensor x = stemNorm.forward(stem.forward(pixels)).relu();
        if (config.large()) {
            x = Pooling.max(x, 3, 2, 1);
        }
        for (Block block : blocks) {
            x = block.forward(x);
        }
        return classifier.forward(x.mean(2, 3));
    }

    /** relu(x + two convolutions of x); x by a convolution of 1 x 1 where planes change. */
    private static final class Block extends Module {
        private final Conv2d conv1;
        private final BatchNorm2d bn1;
        private final Conv2d conv2;
        private final BatchNorm2d bn2;
        private final Conv2d shortcut;
        private final BatchNorm2d shortcutNorm;

        Block(Init init, int in, int out, int stride) {
            conv1 = child("conv1", conv(init, "conv1", in, out, 3, stride));
            bn1 = child("bn1", norm(init, "bn1", out));
            conv2 = child("conv2", conv(init, "conv2", out, out, 3, 1));
            bn2 = child("bn2", norm(init, "bn2", out));
            boolean changes = stride != 1 || in != out;
            shortcut = changes ? child("downsample.0", conv(init, "downsample.0", in, out, 1, stride)) : null;
            shortcutNorm = changes ? child("downsample.1", norm(init, "downsample.1", out)) : null;
        }

        Tensor forward(Tensor x) {
            return Scope.tidy(() -> {
                Tensor y =
                        bn2.forward(conv2.forward(bn1.forward(conv1.forward(x)).relu()));
                return y.add(shortcut == null ? x : shortcutNorm.forward(shortcut.forward(x)))
                        .relu();
            });
        }
    }

    @Override
    public ResNetConfig config() {
        return config;
    }
}
