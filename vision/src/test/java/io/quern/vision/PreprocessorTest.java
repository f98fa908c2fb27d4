package io.quern.vision;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.transformer.ConfigJson;
import io.quern.vision.data.ImageFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Preprocessing against Pillow's resizing and the arithmetic of Hugging Face's image processors. */
class PreprocessorTest {
    @TestFactory
    List<DynamicTest> pixelsAreThoseOfPillow() throws IOException {
        JsonNode golden = new ObjectMapper().readTree(Golden.bytes("/golden/preprocessing.json"));
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonNode c : golden.get("cases")) {
            tests.add(dynamicTest(c.get("id").asText(), () -> check(c)));
        }
        return tests;
    }

    private static void check(JsonNode c) {
        Preprocessor p = Preprocessor.read(new ConfigJson("preprocessor_config.json", (ObjectNode) c.get("params")));
        assertEquals(p, Preprocessor.read(new ConfigJson("again", p.toJson())));
        Image image = ImageFile.read(TestImages.path("/images/colour.png"));
        double[] expected = IntStream.range(0, c.get("pixels").size())
                .mapToDouble(i -> c.get("pixels").get(i).asDouble())
                .toArray();
        Scope.run(() -> {
            Tensor pixels = p.apply(image, c.get("channels").asInt());
            assertEquals(
                    Shape.of(
                            1,
                            c.get("shape").get(0).asInt(),
                            c.get("shape").get(1).asInt(),
                            c.get("shape").get(2).asInt()),
                    pixels.shape());
            Golden.assertClose(c.get("id").asText(), expected, pixels.toDoubles(), 1e-5, 0);
            return null;
        });
    }

    @Test
    void darkGroundInvertsLightPictures() {
        byte[] paper = new byte[25];
        java.util.Arrays.fill(paper, (byte) 250);
        paper[12] = 10;
        Image ink = Preprocessor.of(5).onDarkGround().fit(new Image(5, 5, 1, paper), 1);
        assertEquals(245, ink.at(2, 2, 0));
        assertEquals(5, ink.at(0, 0, 0));
        Image dark = new Image(5, 5, 1, paper).inverted();
        assertEquals(245, Preprocessor.of(5).onDarkGround().fit(dark, 1).at(2, 2, 0));
    }

    @Test
    void wrongConfigurationsAreErrors() {
        for (String json : List.of(
                "{\"size\": -3}",
                "{\"size\": {\"height\": 3}}",
                "{\"resample\": 9}",
                "{\"image_mean\": [0.5], \"image_std\": [0]}",
                "{\"image_mean\": \"x\"}")) {
            ConfigJson config = ConfigJson.parse("p.json", json.getBytes(StandardCharsets.UTF_8));
            assertThrows(TensorException.class, () -> Preprocessor.read(config), json);
        }
    }

    @Test
    void longThinPicturesDoNotTakeAllMemory() {
        Image thin = new Image(60_000, 1, 1, new byte[60_000]);
        ConfigJson config =
                ConfigJson.parse("p.json", "{\"size\": {\"shortest_edge\": 224}}".getBytes(StandardCharsets.UTF_8));
        assertThrows(TensorException.class, () -> Preprocessor.read(config).fit(thin, 1));
    }
}
