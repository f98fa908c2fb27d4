package io.quern.transformer.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.model.Bert;
import io.quern.transformer.model.BertConfig;
import io.quern.transformer.model.BertForSequenceClassification;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The folders that encoders come in. */
class EncoderDirTest extends LeakChecked {
    private static final int[] TEXT = {2, 70, 172, 111, 3};

    @TempDir
    Path folder;

    private static EncoderDir tiny() {
        return EncoderDir.open(TestModels.folder("bert-tiny"));
    }

    private static float[] hidden(Bert bert) {
        return Scope.run(
                () -> bert.forward(EncoderBatch.rightPadded(List.of(TEXT), 0)).toFloats());
    }

    /** Writes bert-tiny's tensors under other names, those without a new name not at all. */
    private void rewrite(UnaryOperator<String> names, Map<String, Tensor> more) throws IOException {
        try (BertForSequenceClassification model = tiny().loadClassifier(Purpose.INFERENCE, null)) {
            Map<String, Tensor> tensors = new LinkedHashMap<>(more);
            for (Map.Entry<String, Param> p : model.parameters().entrySet()) {
                String name = names.apply(p.getKey());
                if (name != null) {
                    tensors.put(name, p.getValue().value());
                }
            }
            SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors, Map.of(), DType.F32);
        }
        Files.copy(TestModels.folder("bert-tiny").resolve("config.json"), folder.resolve("config.json"));
    }

    @Test
    void theEncoderOfAClassifierLoadsWithoutItsHead() {
        try (Bert bert = tiny().load(Purpose.INFERENCE);
                BertForSequenceClassification whole = tiny().loadClassifier(Purpose.INFERENCE, null)) {
            assertTrue(tiny().isClassifier());
            assertTrue(bert.hasPooler());
            assertFalse(bert.parameters().containsKey("classifier.weight"));
            assertArrayEquals(hidden(whole.encoder()), hidden(bert));
        }
    }

    @Test
    void namesWithoutAPrefixAndWithoutAPoolerAsSentenceEncodersHaveThem() throws IOException {
        try (Tensor stored = Tensor.zeros(1, 64)) {
            rewrite(
                    n -> n.startsWith("bert.") && !n.contains("pooler") ? n.substring(5) : null,
                    Map.of("embeddings.position_ids", stored));
        }
        try (Bert bert = EncoderDir.open(folder).load(Purpose.INFERENCE);
                Bert original = tiny().load(Purpose.INFERENCE)) {
            assertFalse(bert.hasPooler());
            assertArrayEquals(hidden(original), hidden(bert));
            TensorException e = assertThrows(TensorException.class, () -> bert.pooled(null));
            assertTrue(e.getMessage().contains("pooler"), e.getMessage());
        }
    }

    @Test
    void gammaAndBetaOf2018() throws IOException {
        rewrite(
                n -> n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
                Map.of());
        try (Bert bert = EncoderDir.open(folder).load(Purpose.INFERENCE);
                Bert original = tiny().load(Purpose.INFERENCE)) {
            assertArrayEquals(hidden(original), hidden(bert));
        }
    }

    @Test
    void aMissingClassifierIsAnErrorThatNamesIt() throws IOException {
        rewrite(n -> n.startsWith("classifier") ? null : n, Map.of());
        TensorException e = assertThrows(
                TensorException.class, () -> EncoderDir.open(folder).loadClassifier(Purpose.INFERENCE, null));
        assertTrue(e.getMessage().contains("missing classifier.weight [3, 64]"), e.getMessage());
        assertTrue(e.getMessage().contains("missing classifier.bias"), e.getMessage());
    }

    @Test
    void whatIsSavedIsReadBackTheSame() throws IOException {
        try (BertForSequenceClassification model = tiny().loadClassifier(Purpose.TRAINING, null)) {
            EncoderDir.save(folder, model, DType.F32);
            EncoderDir saved = EncoderDir.open(folder);
            assertEquals(model.config(), saved.config());
            assertTrue(saved.isClassifier());
            try (BertForSequenceClassification again = saved.loadClassifier(Purpose.INFERENCE, null)) {
                assertEquals(model.parameters().keySet(), again.parameters().keySet());
                assertArrayEquals(hidden(model.encoder()), hidden(again.encoder()));
            }
        }
    }

    @Test
    void fewerBitsGiveNearlyTheSame() {
        try (Bert wide = tiny().load(Purpose.INFERENCE);
                Bert narrow = tiny().load(Purpose.INFERENCE, DType.Q8_0)) {
            assertEquals(
                    DType.Q8_0,
                    narrow.parameters()
                            .get("encoder.layer.0.output.dense.weight")
                            .value()
                            .dtype());
            assertArrayEquals(hidden(wide), hidden(narrow), 0.15f);
        }
        assertThrows(IllegalArgumentException.class, () -> tiny().load(Purpose.TRAINING, DType.Q8_0));
    }

    @ParameterizedTest
    @CsvSource({
        "model_type, gpt2, expected a BERT",
        "position_embedding_type, relative_key, expected absolute",
        "hidden_act, swish2, expected one of",
        "num_attention_heads, 5, a divisor",
        "is_decoder, true, only encoders",
        "pad_token_id, 512, pad_token_id",
        "hidden_dropout_prob, 1, below 1",
        "id2label, {\"1\":\"x\"}, found none for 0"
    })
    void aWrongConfigurationIsRefused(String key, String value, String message) throws IOException {
        ObjectNode json = ConfigJson.read(TestModels.folder("bert-tiny").resolve("config.json"))
                .node()
                .deepCopy();
        boolean plain = value.matches("[a-z].*") && !value.equals("true");
        json.set(
                key,
                ConfigJson.parse("v", ("{\"v\":" + (plain ? '"' + value + '"' : value) + "}").getBytes())
                        .node()
                        .get("v"));
        if (key.equals("model_type")) {
            json.remove("architectures");
        }
        TensorException e = assertThrows(
                TensorException.class, () -> BertConfig.read(ConfigJson.parse("config.json", ConfigJson.bytes(json))));
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @Test
    void folders() {
        assertTrue(assertThrows(TensorException.class, () -> EncoderDir.open(folder))
                .getMessage()
                .contains("config.json"));
        assertTrue(assertThrows(TensorException.class, () -> EncoderDir.open(folder.resolve("none")))
                .getMessage()
                .contains("no such folder"));
        assertTrue(assertThrows(TensorException.class, () -> ModelDir.open(TestModels.folder("bert-tiny")))
                .getMessage()
                .contains("encoder"));
    }
}
