package io.quern.vision.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.Losses;
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
import org.junit.jupiter.params.provider.ValueSource;

/** Vision transformers with a distillation token against transformers' DeiT. */
class DeitTest {
    @TempDir
    private Path folder;

    private static Tensor pixels(Golden.Case c) {
        return c.input("pixel_values").tensor(DType.F32);
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "plain"})
    void logitsStatesAndGradientsAreThoseOfTransformers(String id) throws IOException {
        Golden golden = Golden.load("deit");
        Golden.Case c = golden.get(id);
        try (Vit model = (Vit) TestImages.model("deit-tiny-" + id)) {
            Scope.run(() -> {
                List<Tensor> states = new ArrayList<>();
                c.assertClose("logits", model.forward(pixels(c), states));
                c.assertClose("state", states.get(1));
                c.assertClose(
                        "interpolated",
                        model.forward(c.input("larger").tensor(DType.F32)).toDoubles());
                Tensor labels = c.input("labels").tensor(DType.I32);
                Gradients g = Tape.gradients(() -> Losses.crossEntropy(model.forward(pixels(c)), labels));
                assertEquals(c.expected().get("loss").asDouble(), g.loss().item(), 1e-5);
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

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "plain"})
    void aSavedModelAndOneWithTimmsNamesAreTheSame(String id) throws IOException {
        Golden.Case c = Golden.load("deit").get(id);
        Path timm = folder.resolve("timm");
        try (ImageModel model = TestImages.model("deit-tiny-" + id)) {
            ImageModelDir.save(folder, model, Preprocessor.of(12));
            Files.createDirectories(timm);
            Files.copy(folder.resolve("config.json"), timm.resolve("config.json"));
            Scope.run(() -> {
                Map<String, List<Tensor>> parts = new LinkedHashMap<>();
                model.parameters()
                        .forEach((path, p) -> parts.computeIfAbsent(
                                        model.config().stored(path).getLast().name(), n -> new ArrayList<>())
                                .add(p.value()));
                Map<String, Tensor> named = new LinkedHashMap<>();
                parts.forEach((name, all) ->
                        named.put(name.replace("fc_norm", "norm"), Tensor.concat(0, all.toArray(Tensor[]::new))));
                assertTrue(named.containsKey("dist_token"), named.keySet().toString());
                assertEquals(id.equals("teacher"), named.containsKey("head_dist.weight"));
                SafetensorsWriter.write(timm.resolve("model.safetensors"), named, Map.of(), DType.F32);
                return null;
            });
        }
        for (Path from : List.of(folder, timm)) {
            try (ImageModel model = ImageModelDir.open(from).load()) {
                Scope.run(() -> {
                    c.assertClose("logits", model.forward(pixels(c)));
                    return null;
                });
            }
        }
    }

    @Test
    void attentionRolloutIsOfThePatchesAlone() throws IOException {
        Golden.Case c = Golden.load("deit").get("teacher");
        try (Vit model = (Vit) TestImages.model("deit-tiny-teacher")) {
            float[] patches = Scope.run(() ->
                    Tape.noGrad(() -> model.rollout(pixels(c).narrow(0, 0, 1).copy())));
            assertEquals(9, patches.length);
            double sum = 0;
            for (float p : patches) {
                assertTrue(p > 0);
                sum += p;
            }
            assertTrue(sum < 1, "the two tokens keep a part: " + sum);
        }
    }

    @Test
    void theClassifierIsNotOnTheMean() throws IOException {
        Path from = TestImages.path("/models/deit-tiny-teacher");
        String json = Files.readString(from.resolve("config.json"));
        Files.writeString(folder.resolve("config.json"), json.replaceFirst("\\{", "{\"pooling\": \"mean\","));
        TensorException e = assertThrows(TensorException.class, () -> ImageModelDir.open(folder));
        assertTrue(e.getMessage().contains("distillation token"), e.getMessage());
    }
}
