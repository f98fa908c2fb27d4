package io.quern.vision.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.TrainingMode;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.train.Trainer;
import io.quern.train.data.Batches;
import io.quern.train.optim.Adam;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import io.quern.transformer.Activation;
import io.quern.vision.AutoencoderDir;
import io.quern.vision.Preprocessor;
import io.quern.vision.ReconstructionError;
import io.quern.vision.TestImages;
import io.quern.vision.data.AutoencoderBatch;
import io.quern.vision.data.AutoencoderBatches;
import io.quern.vision.data.Idx;
import io.quern.vision.data.ImageBatches;
import io.quern.vision.data.ImageSet;
import io.quern.vision.model.AutoencoderConfig.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Autoencoders: the fully connected one against PyTorch, all kinds by what they must learn. */
class AutoencoderTest {
    private static final Golden GOLDEN = Golden.load("autoencoder");

    /** Names of layers in the reference, a sequence of which every other one is an activation. */
    private static final Map<String, String> NAMES =
            Map.of("encoder.0", "0", "encoder.code", "2", "decoder.0", "4", "decoder.last", "6");

    @TempDir
    private Path folder;

    private static String reference(String path) {
        int dot = path.lastIndexOf('.');
        return NAMES.get(path.substring(0, dot)) + path.substring(dot);
    }

    private static Autoencoder reference() {
        JsonNode weights = GOLDEN.get("forward").input().get("weights");
        return new AutoencoderConfig(Kind.DEEP, 28, 1, List.of(64), 16, Activation.RELU, true, 0, 0)
                .build((path, shape) ->
                        GOLDEN.values(weights.get(reference(path)), path).tensor(DType.F32));
    }

    private static Tensor pictures(int first, int count) {
        Tensor all = GOLDEN.get("forward").input("x").tensor(DType.F32);
        return all.narrow(0, first, count).copy().reshape(count, 1, 28, 28);
    }

    @Test
    void outputsAndGradientsAreThoseOfPyTorch() {
        Golden.Case forward = GOLDEN.get("forward");
        Golden.Case gradients = GOLDEN.get("gradients");
        try (Autoencoder model = reference()) {
            Scope.run(() -> {
                forward.assertClose("output", model.reconstruct(pictures(0, 4)).reshape(4, 784));
                Tensor x = pictures(0, 32);
                Gradients g = Tape.gradients(() -> model.loss(x, x));
                assertEquals(gradients.expected("loss_f64").data()[0], g.loss().item(), 1e-5);
                model.parameters().forEach((path, p) -> {
                    JsonNode expected = gradients.expected().get("grads").get(reference(path));
                    double[] values = GOLDEN.values(expected, path).data();
                    Golden.assertClose(path, values, g.of(p.value()).toDoubles(), gradients.abs(), gradients.rel());
                });
                return null;
            });
        }
    }

    @Test
    void trainingByAdamIsThatOfPyTorch() throws IOException {
        double[] expected = GOLDEN.get("train_adam").expected("losses").data();
        double[] got = new double[10];
        Batches<AutoencoderBatch> data = new Batches<>() {
            @Override
            public AutoencoderBatch batch(long index) {
                Tensor x = pictures((int) index * 32, 32);
                return new AutoencoderBatch(x, x);
            }

            @Override
            public long perEpoch() {
                return 10;
            }

            @Override
            public long items(AutoencoderBatch b) {
                return 32;
            }

            @Override
            public String unit() {
                return "img";
            }
        };
        try (Autoencoder model = reference();
                Adam adam = new Adam(ParamGroup.all(model, 0), 0.9, 0.999, 1e-8)) {
            int[] step = new int[1];
            Trainer.of(
                            model,
                            (AutoencoderBatch b) -> {
                                Tensor loss = model.loss(b.input(), b.target());
                                got[step[0]++] = loss.item();
                                return loss;
                            },
                            data,
                            adam,
                            Schedule.constant(2e-3))
                    .steps(10)
                    .run();
        }
        assertArrayEquals(expected, got, 1e-4);
    }

    private static AutoencoderConfig config(Kind kind, int channels, int codes) {
        return new AutoencoderConfig(kind, 28, channels, List.of(8, 16), codes, Activation.RELU, false, 0.4, 10);
    }

    /** Every kind gets better than doing nothing within a few dozen steps, and comes back from its folder as it was. */
    @ParameterizedTest
    @EnumSource(Kind.class)
    void everyKindLearnsAndIsSaved(Kind kind) throws IOException {
        boolean colours = kind == Kind.COLOURING;
        ImageSet digits = tinted(Idx.read(TestImages.path("/mnist"), "t10k"), 256, colours);
        Preprocessor unit = Preprocessor.of(28).unnormalised();
        AutoencoderConfig config = config(kind, colours ? 3 : 1, 8);
        ImageBatches pictures = ImageBatches.inOrder(digits, unit, 32, Device.CPU);
        AutoencoderBatches data = new AutoencoderBatches(pictures, config.damage(), 1, Device.CPU);
        try (Autoencoder model = config.build(config.init(1));
                Adam adam = new Adam(ParamGroup.all(model, 0), 0.9, 0.999, 1e-8)) {
            ReconstructionError before = ReconstructionError.of(model, data);
            Trainer.of(
                            model,
                            (AutoencoderBatch b) -> model.loss(b.input(), b.target()),
                            data,
                            adam,
                            Schedule.constant(5e-3))
                    .steps(48)
                    .run();
            ReconstructionError after = ReconstructionError.of(model, data);
            assertEquals(256, after.pictures());
            assertTrue(after.error() < 0.6 * before.error(), before + " " + after);
            AutoencoderDir.save(folder, model, unit);
            AutoencoderDir dir = AutoencoderDir.open(folder);
            assertEquals(config, dir.config());
            assertEquals(unit, dir.preprocessor());
            try (Autoencoder again = dir.load()) {
                assertEquals(after, ReconstructionError.of(again, data));
            }
        }
    }

    /** Digits whose colour is that of their class. */
    private static ImageSet tinted(ImageSet grey, int count, boolean colours) {
        int channels = colours ? 3 : 1;
        byte[] pixels = new byte[count * channels * 784];
        int[] classes = java.util.Arrays.copyOf(grey.classes(), count);
        for (int i = 0; i < pixels.length; i++) {
            int picture = i / (784 * channels);
            int light = grey.pixels()[picture * 784 + i % 784] & 0xFF;
            boolean on = !colours || i / 784 % 3 == classes[picture] % 3;
            pixels[i] = (byte) (on ? light : light / 4);
        }
        return new ImageSet(28, 28, channels, pixels, classes, grey.labels());
    }

    @Test
    void theVariationalLossIsCrossEntropyAndDivergence() {
        AutoencoderConfig config = config(Kind.VARIATIONAL, 1, 3);
        try (Autoencoder model = config.build(config.init(3))) {
            Scope.run(() -> {
                Tensor x = pictures(0, 5);
                double[] encoded = ((DeepAutoencoder) model)
                        .encoder(x, new java.util.ArrayList<>())
                        .toDoubles();
                double[] made = model.reconstruct(x).toDoubles();
                double[] target = x.toDoubles();
                double expected = 0;
                for (int i = 0; i < made.length; i++) {
                    expected -= target[i] * Math.log(made[i]) + (1 - target[i]) * Math.log(1 - made[i]);
                }
                for (int i = 0; i < 5; i++) {
                    for (int c = 0; c < 3; c++) {
                        double mean = encoded[6 * i + c];
                        double logVariance = encoded[6 * i + 3 + c];
                        expected += 0.5 * (mean * mean + Math.exp(logVariance) - logVariance - 1);
                    }
                }
                assertEquals(expected / made.length, model.loss(x, x).item(), 1e-6);
                // Codes are drawn in training: other streams, other losses; the same one, the same loss.
                double first = TrainingMode.with(7, 1, () -> model.loss(x, x).item());
                assertEquals(
                        first, TrainingMode.with(7, 1, () -> model.loss(x, x).item()));
                assertTrue(
                        first != TrainingMode.with(7, 2, () -> model.loss(x, x).item()));
                assertEquals(Shape.of(5, 3), model.encode(x).shape());
                assertEquals(
                        Shape.of(2, 1, 28, 28), model.decode(Tensor.zeros(2, 3)).shape());
                return null;
            });
        }
    }

    @Test
    void wrongShapesAndSettingsAreNamed() throws IOException {
        AutoencoderConfig config = config(Kind.DENOISING, 1, 3);
        try (Autoencoder model = config.build(config.init(3))) {
            Scope.run(() -> {
                assertThrows(TensorException.class, () -> model.encode(Tensor.zeros(1, 1, 27, 28)));
                // The decoder sees the encoder's planes.
                assertThrows(TensorException.class, () -> model.decode(Tensor.zeros(1, 3)));
                return null;
            });
        }
        assertThrows(TensorException.class, () -> config(Kind.COLOURING, 1, 3));
        assertThrows(TensorException.class, () -> config(Kind.CONV, 1, 0));
        assertThrows(
                TensorException.class,
                () -> new AutoencoderConfig(Kind.CONV, 30, 1, List.of(8, 16), 3, Activation.RELU, false, 0, 0));
        Files.writeString(
                folder.resolve("config.json"),
                "{\"model_type\": \"quern_autoencoder\", \"kind\": \"odd\", \"image_size\": 28, \"num_channels\": 1,"
                        + " \"hidden_sizes\": [8], \"code_size\": 2}");
        TensorException e = assertThrows(TensorException.class, () -> AutoencoderDir.open(folder));
        assertTrue(e.getMessage().contains("kind"), e::getMessage);
    }

    /** Two principal components against the reference, by the way that autoencoders are measured. */
    @Test
    void principalComponentsAreMeasuredAsModelsAre() {
        ImageSet digits = Idx.read(TestImages.path("/mnist"), "t10k");
        Preprocessor unit = Preprocessor.of(28).unnormalised();
        ImageBatches pictures = ImageBatches.inOrder(digits, unit, 250, Device.CPU);
        AutoencoderBatches data =
                new AutoencoderBatches(pictures, config(Kind.DEEP, 1, 2).damage(), 1, Device.CPU);
        Pca pca = ReconstructionError.components(pictures, 2, 1);
        double expected = Golden.load("pca_mnist")
                .get("test_2")
                .expected("reconstruction_mse_test")
                .data()[0];
        assertEquals(expected, ReconstructionError.of(pca, data), 1e-5 * expected + 1e-6);
    }
}
