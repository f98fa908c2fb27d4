package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.DType;
import io.quern.tensor.testing.BrokenDevice;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.model.Bert;
import io.quern.transformer.model.BertConfig;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelDir;
import io.quern.vision.Preprocessor;
import io.quern.vision.model.VitConfig;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code quern verify} from end to end. */
class VerifyCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    private record Run(int code, String out, String err) {
        JsonNode json() throws IOException {
            return JSON.readTree(out);
        }
    }

    private static Run quern(String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), out, err, false);
        int code = Main.execute(output, args);
        return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    @AfterEach
    void repair() {
        BrokenDevice.repair();
    }

    @Test
    void theCpuAgreesWithTheReference() throws IOException {
        Run run = quern("verify", "-p", "To be", "-n", "2", "--json");
        assertEquals(0, run.code, run.err);
        JsonNode json = run.json();
        assertTrue(json.get("ok").asBoolean());
        assertEquals("cpu", json.get("device").asText());
        assertTrue(json.get("first").isNull());
        assertTrue(json.get("logits").get("kl_max").asDouble() < 1e-9);
        assertEquals(
                json.get("logits").get("positions").asInt(),
                json.get("logits").get("agreeing").asInt());
        JsonNode results = json.get("results");
        assertEquals("token 2", results.get(results.size() - 1).get("pass").asText());
        Run text = quern("verify", "-p", "To be", "-n", "0");
        assertTrue(text.out.contains("transformer.h.0 "), text.out);
        assertTrue(text.out.endsWith("the devices agree\n"), text.out);
    }

    @Test
    void aBrokenKernelIsFoundAndItsLayerNamed() throws IOException {
        BrokenDevice.breakCall("bias_gelu_tanh", 2, 1.01);
        String[] args = {"verify", "-p", "To be", "-n", "0", "--device", "broken"};
        Run run = quern(args);
        assertEquals(1, run.code, run.err);
        assertTrue(run.out.contains("first beyond its tolerance: transformer.h.2.mlp.c_fc: bias_gelu_tanh"), run.out);
        assertTrue(run.out.endsWith("the devices disagree\n"), run.out);
        BrokenDevice.breakCall("bias_gelu_tanh", 2, 1.01);
        Run json = quern("verify", "-p", "To be", "-n", "0", "--device", "broken", "--json");
        assertEquals(1, json.code);
        assertEquals("bias_gelu_tanh", json.json().get("first").get("op").asText());
        assertFalse(json.json().get("ok").asBoolean());
        BrokenDevice.repair();
        assertEquals(0, quern(args).code);
    }

    /** Of the decoding steps, the second goes wrong. */
    @Test
    void decodingIsComparedToo() throws IOException {
        BrokenDevice.breakCall(
                "layer_norm", 2, 1.01); // the first of a pass, which adds nothing: prompt, first token, here
        Run run = quern("verify", "-p", "To be", "-n", "2", "--device", "broken", "--json");
        assertEquals(1, run.code, run.err);
        assertEquals("token 2", run.json().get("first").get("pass").asText());
        assertEquals(
                "transformer.h.0.ln_1", run.json().get("first").get("layer").asText());
    }

    @Test
    void imageModels() throws IOException {
        VitConfig config = VitConfig.of(8, 4, 1, 16, 2, 2, List.of("a", "b"));
        try (ImageModel model = config.build(config.init(3))) {
            ImageModelDir.save(folder.resolve("vit"), model, Preprocessor.of(8));
        }
        Run run = quern("verify", "-m", folder.resolve("vit").toString(), "--json");
        assertEquals(0, run.code, run.err);
        assertTrue(run.out.contains("vit.encoder.layer.1"), run.out);
        BrokenDevice.breakCall("add_layer_norm", 0, 1.01);
        Run broken = quern("verify", "-m", folder.resolve("vit").toString(), "--device", "broken", "--json");
        assertEquals(1, broken.code, broken.err);
        assertEquals(
                "vit.encoder.layer.0.layernorm_after",
                broken.json().get("first").get("layer").asText());
    }

    @Test
    void encoders() throws IOException {
        BertConfig config = BertConfig.of(40, 16, 16, 2, 2);
        try (BertForSequenceClassification model = new BertForSequenceClassification(config, Bert.init(1))) {
            EncoderDir.save(folder.resolve("bert"), model, DType.F32);
        }
        String[] args = {"verify", "-m", folder.resolve("bert").toString(), "--prompt-tokens", "5,6,7", "--json"};
        Run run = quern(args);
        assertEquals(0, run.code, run.err);
        assertEquals(1, run.json().get("logits").get("agreeing").asInt());
        assertTrue(run.out.contains("bert.encoder.layer.1"), run.out);
    }

    @Test
    void wrongCommandLines() {
        assertEquals(2, quern("verify", "--against", "cpu").code);
        assertEquals(2, quern("verify", "-n", "-1").code);
        assertEquals(2, quern("verify", "-p", "a", "--prompt-tokens", "1").code);
        assertEquals(2, quern("verify", "--image", "a.png", "-p", "a").code);
        assertEquals(1, quern("verify", "--against", "nothing").code);
    }
}
