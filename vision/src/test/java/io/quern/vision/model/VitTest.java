package io.quern.vision.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.Losses;
import io.quern.nn.TrainingMode;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.golden.Golden;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelDir;
import io.quern.vision.Preprocessor;
import io.quern.vision.TestImages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The vision transformer against transformers' logits, hidden states and gradients. */
class VitTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({"vit, vit-tiny", "vit_rgb, vit-tiny-rgb"})
    void logitsAndStatesAreThoseOfTransformers(String group, String name) throws IOException {
        Golden.Case c = Golden.load(group).get("forward");
        try (Vit model = (Vit) TestImages.model(name)) {
            Scope.run(() -> {
                List<Tensor> states = new ArrayList<>();
                Tensor logits = model.forward(c.input("pixel_values").tensor(DType.F32), states);
                assertEquals(c.expected("logits").shape(), logits.shape());
                c.assertClose("logits", logits);
                assertEquals(3, states.size());
                for (int i = 0; i < 3; i++) {
                    c.assertClose("hidden_states_" + i, states.get(i).select(0, 0));
                }
                return null;
            });
        }
    }

    @ParameterizedTest
    @CsvSource({"vit, vit-tiny", "vit_rgb, vit-tiny-rgb"})
    void gradientsAreThoseOfTransformers(String group, String name) throws IOException {
        Golden golden = Golden.load(group);
        Golden.Case c = golden.get("gradients");
        try (ImageModel model = TestImages.model(name)) {
            Scope.run(() -> {
                Tensor pixels = c.input("pixel_values").tensor(DType.F32);
                Tensor labels = c.input("labels").tensor(DType.I32);
                Gradients g = Tape.gradients(() -> Losses.crossEntropy(model.forward(pixels), labels));
                assertEquals(
                        c.expected("loss_f64").data()[0],
                        g.loss().item(),
                        c.tolerance().get("loss").asDouble());
                JsonNode grads = c.expected().get("grads");
                assertEquals(model.parameters().size(), grads.size());
                model.parameters().forEach((path, p) -> {
                    double[] expected = golden.values(grads.get(path), path).data();
                    Golden.assertClose(path, expected, g.of(p.value()).toDoubles(), c.abs(), c.rel());
                });
                return null;
            });
        }
    }

    @Test
    void positionsAreInterpolatedForOtherSizes() throws IOException {
        float[] pixels = new float[2 * 36 * 44];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (float) (Math.sin(i * 0.37) + 0.3 * Math.cos((double) i * i * 0.01));
        }
        try (ImageModel model = TestImages.model("vit-tiny")) {
            Scope.run(() -> {
                Golden.load("vit_interpolated")
                        .get("interpolated")
                        .assertClose("logits", model.forward(Tensor.of(pixels, 2, 1, 36, 44)));
                return null;
            });
        }
    }

    @Test
    void timmNamesAndFusedProjectionsLoad() throws IOException {
        Path original = TestImages.path("/models/vit-tiny");
        Files.copy(original.resolve("config.json"), folder.resolve("config.json"));
        Golden.Case c = Golden.load("vit").get("forward");
        try (ImageModel model = TestImages.model("vit-tiny")) {
            Scope.run(() -> {
                Map<String, List<Tensor>> parts = new LinkedHashMap<>();
                model.parameters()
                        .forEach((path, p) -> parts.computeIfAbsent(
                                        model.config().stored(path).getLast().name(), n -> new ArrayList<>())
                                .add(p.value()));
                assertTrue(parts.containsKey("blocks.1.attn.qkv.weight"), parts::toString);
                Map<String, Tensor> timm = new LinkedHashMap<>();
                parts.forEach((name, all) ->
                        timm.put(name.replace("fc_norm", "norm"), Tensor.concat(0, all.toArray(Tensor[]::new))));
                SafetensorsWriter.write(folder.resolve("model.safetensors"), timm, Map.of(), DType.F32);
                return null;
            });
        }
        try (ImageModel model = ImageModelDir.open(folder).load()) {
            Scope.run(() -> {
                c.assertClose("logits", model.forward(c.input("pixel_values").tensor(DType.F32)));
                return null;
            });
        }
    }

    @Test
    void aSavedModelIsTheSame() throws IOException {
        Golden.Case c = Golden.load("vit").get("forward");
        try (ImageModel model = TestImages.model("vit-tiny")) {
            ImageModelDir.save(folder, model, Preprocessor.of(28));
        }
        try (ImageModel model = ImageModelDir.open(folder).load()) {
            Scope.run(() -> {
                c.assertClose("logits", model.forward(c.input("pixel_values").tensor(DType.F32)));
                return null;
            });
        }
    }

    /** With the classifier on the mean, the class token matters only as far as patches attend to it. */
    @Test
    void stochasticDepthAndPoolingAreForTraining() {
        VitConfig plain = VitConfig.of(8, 4, 1, 16, 2, 2, List.of("a", "b"));
        VitConfig deep = plain.with(VitConfig.Pooling.MEAN, 0, 0.9);
        Scope.run(() -> {
            Tensor x = Tensor.ones(3, 1, 8, 8);
            try (Vit model = deep.build(deep.init(1));
                    Vit cls = plain.build(plain.init(1))) {
                float[] first = model.forward(x).toFloats();
                assertArrayEquals(first, model.forward(x).toFloats());
                float[] trained =
                        TrainingMode.with(1, 1, () -> model.forward(x)).toFloats();
                assertTrue(java.util.Arrays.mismatch(first, trained) >= 0, "branches are left out in training");
                assertTrue(java.util.Arrays.mismatch(first, cls.forward(x).toFloats()) >= 0, "pooling matters");
            }
            return null;
        });
    }

    @Test
    void rolloutIsADistributionOverPatches() throws IOException {
        Golden.Case c = Golden.load("vit").get("forward");
        try (Vit model = (Vit) TestImages.model("vit-tiny")) {
            float[] map = Scope.run(() ->
                    model.rollout(c.input("pixel_values").tensor(DType.F32).narrow(0, 0, 1)));
            assertEquals(49, map.length);
            double sum = 0;
            for (float f : map) {
                assertTrue(f > 0);
                sum += f;
            }
            assertTrue(sum > 0.1 && sum < 1, "the rest is the class token's own: " + sum);
        }
    }

    @Test
    void whatDoesNotFitIsNamed() throws IOException {
        try (ImageModel model = TestImages.model("vit-tiny")) {
            Scope.run(() -> {
                TensorException e =
                        assertThrows(TensorException.class, () -> model.forward(Tensor.zeros(1, 1, 27, 28)));
                assertTrue(e.getMessage().contains("patch size 4"), e::getMessage);
                return null;
            });
        }
        Files.copy(TestImages.path("/models/vit-tiny/model.safetensors"), folder.resolve("model.safetensors"));
        String config = Files.readString(TestImages.path("/models/vit-tiny/config.json"));
        Files.writeString(
                folder.resolve("config.json"), config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"));
        TensorException e = assertThrows(
                TensorException.class, () -> ImageModelDir.open(folder).load());
        assertTrue(e.getMessage().contains("missing vit.encoder.layer.2."), e::getMessage);
    }
}
