package io.quern.vision.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Init;
import io.quern.nn.Losses;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Conv;
import io.quern.train.optim.Adam;
import io.quern.train.optim.ParamGroup;
import io.quern.vision.ImageModelDir;
import io.quern.vision.Preprocessor;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Residual networks: torchvision's names and sizes, blocks by hand, training with its running statistics. */
class ResNetTest {
    @TempDir
    private Path folder;

    @Test
    void resnet18HasTheTensorsOfTorchvision() {
        ResNetConfig config = new ResNetConfig(
                224, 3, List.of(2, 2, 2, 2), List.of(64, 128, 256, 512), true, Collections.nCopies(1000, "class"));
        try (ResNet model = config.build((path, shape) -> Tensor.zeros(1).expand(shape))) {
            // 11,689,512 parameters and the running statistics of 4,800 planes
            assertEquals(11_689_512 + 2 * 4_800, model.parameterCount());
            var all = model.parameters();
            // 20 convolutions, 20 norms of four tensors, and a linear layer
            assertEquals(20 + 80 + 2, all.size());
            assertEquals(Shape.of(64, 3, 7, 7), all.get("conv1.weight").shape());
            assertEquals(
                    Shape.of(128, 64, 1, 1),
                    all.get("layer2.0.downsample.0.weight").shape());
            assertEquals(Shape.of(512), all.get("layer4.1.bn2.running_var").shape());
            assertTrue(!all.containsKey("layer1.0.downsample.0.weight"));
            assertTrue(config.ignores("bn1.num_batches_tracked"));
        }
    }

    /** The whole network from plain operations, with other statistics than those of a new one. */
    @Test
    void aNetworkIsItsConvolutionsAndNorms() {
        ResNetConfig config = new ResNetConfig(8, 1, List.of(1, 1), List.of(3, 4), false, List.of("a", "b"));
        Init init = (path, shape) -> Scope.tidy(() -> {
            Tensor normal = Tensor.randn(new Rng(5, Rng.stream(path)), 0.5, shape.dims());
            return path.endsWith("var") ? normal.square().shift(0.5) : normal;
        });
        try (ResNet model = config.build(init)) {
            Scope.run(() -> {
                Tensor x = Tensor.randn(new Rng(1), 1, 2, 1, 8, 8);
                Tensor a = norm(model, "bn1", conv(model, "conv1", x, 1)).relu();
                Tensor b = block(model, "layer1.0", a, 1, a);
                Tensor shorter =
                        norm(model, "layer2.0.downsample.1", value(model, "layer2.0.downsample.0.weight", b, 2, 0));
                Tensor c = block(model, "layer2.0", b, 2, shorter);
                Tensor expected = c.mean(2, 3)
                        .matmul(
                                model.parameters().get("fc.weight").value().transpose(0, 1),
                                model.parameters().get("fc.bias").value());
                assertArrayEquals(expected.toFloats(), model.forward(x).toFloats(), 1e-4f);
                return null;
            });
        }
    }

    private static Tensor block(ResNet m, String path, Tensor x, int stride, Tensor shortcut) {
        Tensor y = norm(m, path + ".bn1", conv(m, path + ".conv1", x, stride)).relu();
        return norm(m, path + ".bn2", conv(m, path + ".conv2", y, 1))
                .add(shortcut)
                .relu();
    }

    private static Tensor conv(ResNet m, String path, Tensor x, int stride) {
        return value(m, path + ".weight", x, stride, 1);
    }

    private static Tensor value(ResNet m, String path, Tensor x, int stride, int padding) {
        return x.conv2d(m.parameters().get(path).value(), null, Conv.Geometry.of(stride, padding));
    }

    private static Tensor norm(ResNet m, String path, Tensor x) {
        Tensor[] p = new Tensor[4];
        String[] names = {"weight", "bias", "running_mean", "running_var"};
        for (int i = 0; i < 4; i++) {
            p[i] = m.parameters().get(path + "." + names[i]).value().reshape(-1, 1, 1);
        }
        return x.sub(p[2]).div(p[3].shift(1e-5).sqrt()).mul(p[0]).add(p[1]);
    }

    @Test
    void itLearnsAndItsStatisticsAreSaved() {
        ResNetConfig config = new ResNetConfig(8, 1, List.of(1, 1), List.of(4, 8), false, List.of("dark", "light"));
        try (ResNet model = config.build(config.init(1));
                Adam adam = new Adam(ParamGroup.all(model, 0), 0.9, 0.999, 1e-8)) {
            Scope.run(() -> {
                Tensor noise = Tensor.randn(new Rng(2), 0.5, 16, 1, 8, 8);
                int[] classes = new int[16];
                float[] shift = new float[16];
                for (int i = 0; i < 16; i++) {
                    classes[i] = i % 2;
                    shift[i] = classes[i];
                }
                Tensor x = noise.add(Tensor.of(shift, 16, 1, 1, 1));
                Tensor y = Tensor.of(classes, 16);
                double first = Losses.crossEntropy(model.forward(x), y).item();
                for (int i = 0; i < 60; i++) {
                    long step = i;
                    Scope.run(() -> {
                        var g = TrainingMode.with(
                                1, step, () -> Tape.gradients(() -> Losses.crossEntropy(model.forward(x), y)));
                        adam.step(g, 1e-2, 1);
                        return null;
                    });
                }
                float[] after = model.forward(x).toFloats();
                assertTrue(Losses.crossEntropy(model.forward(x), y).item() < first / 4);
                ImageModelDir.save(folder, model, Preprocessor.of(8));
                ImageModelDir dir = ImageModelDir.open(folder);
                assertEquals(config, dir.config());
                try (var again = dir.load()) {
                    assertArrayEquals(after, again.forward(x).toFloats());
                }
                return null;
            });
        }
        assertThrows(
                TensorException.class, () -> new ResNetConfig(8, 1, List.of(1), List.of(4, 8), false, List.of("a")));
    }
}
