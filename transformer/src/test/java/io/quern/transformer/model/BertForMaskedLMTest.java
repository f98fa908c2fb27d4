package io.quern.transformer.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.golden.Golden;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.Purpose;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** BERT's masked language model against transformers. */
class BertForMaskedLMTest extends LeakChecked {
    private static final Golden GOLDEN = Golden.load("bert_mlm");
    private static final Golden.Case CASE = GOLDEN.get("masked");

    private static EncoderDir tiny() {
        return EncoderDir.open(TestModels.folder("bert-mlm-tiny"));
    }

    private static Tensor ints(String name) {
        Golden.Values v = CASE.input(name);
        return Tensor.of(v.ints(), v.shape().dims());
    }

    private static EncoderBatch batch() {
        return new EncoderBatch(ints("input_ids"), ints("attention_mask"), null);
    }

    private static void assertLogits(BertForMaskedLM model) {
        Scope.run(() -> {
            Tensor logits = model.logits(batch());
            assertEquals(CASE.expected("logits").shape(), logits.shape());
            double[] got = logits.toDoubles();
            double[] expected = CASE.expected("logits").data();
            // The last two positions of the second text are padding.
            int seen = 10 * logits.dim(2);
            Golden.assertClose(
                    "logits",
                    java.util.Arrays.copyOf(expected, seen),
                    java.util.Arrays.copyOf(got, seen),
                    CASE.abs(),
                    CASE.rel());
            return null;
        });
    }

    @Test
    void logitsAreThoseOfTransformers() {
        try (BertForMaskedLM model = tiny().loadMaskedLM(Purpose.INFERENCE, null)) {
            assertLogits(model);
        }
    }

    @Test
    void lossAndGradientsAreThoseOfPyTorch() {
        try (BertForMaskedLM model = tiny().loadMaskedLM(Purpose.TRAINING, null);
                Gradients g = Tape.gradients(() -> model.loss(batch(), ints("labels")))) {
            assertEquals(CASE.expected().get("loss").asDouble(), g.loss().item(), 1e-6 * 4);
            Map<String, Param> params = model.parameters();
            int compared = 0;
            for (Map.Entry<String, JsonNode> e : CASE.expected().get("grads").properties()) {
                Golden.assertClose(
                        e.getKey(),
                        GOLDEN.values(e.getValue(), e.getKey()).data(),
                        g.of(params.get(e.getKey()).value()).toDoubles(),
                        CASE.abs(),
                        CASE.rel());
                compared++;
            }
            assertEquals(params.size(), compared);
        }
    }

    @Test
    void aStoredOutputLayerMustBeTheEmbedding(@TempDir Path folder) throws IOException {
        Files.copy(tiny().folder().resolve("config.json"), folder.resolve("config.json"));
        try (BertForMaskedLM model = tiny().loadMaskedLM(Purpose.INFERENCE, null)) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            model.parameters().forEach((name, p) -> tensors.put(name, p.value()));
            tensors.put("cls.predictions.decoder.weight", tensors.get("bert.embeddings.word_embeddings.weight"));
            tensors.put("cls.predictions.decoder.bias", tensors.get("cls.predictions.bias"));
            SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors, Map.of(), DType.F32);
            try (BertForMaskedLM again = EncoderDir.open(folder).loadMaskedLM(Purpose.INFERENCE, null)) {
                assertLogits(again);
            }
            try (Tensor other = Tensor.zeros(40)) {
                tensors.put("cls.predictions.decoder.bias", other);
                SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors, Map.of(), DType.F32);
            }
        }
        TensorException e = assertThrows(
                TensorException.class, () -> EncoderDir.open(folder).loadMaskedLM(Purpose.INFERENCE, null));
        assertTrue(e.getMessage().contains("differs from cls.predictions.bias"), e.getMessage());
    }

    @Test
    void whatIsSavedIsReadBackTheSame(@TempDir Path folder) {
        try (BertForMaskedLM model = tiny().loadMaskedLM(Purpose.TRAINING, null)) {
            EncoderDir.save(folder, model, DType.F32);
        }
        try (BertForMaskedLM again = EncoderDir.open(folder).loadMaskedLM(Purpose.INFERENCE, null);
                Bert bare = EncoderDir.open(folder).load(Purpose.INFERENCE)) {
            assertLogits(again);
            assertEquals(
                    again.encoder().parameters().keySet(), bare.parameters().keySet());
        }
    }
}
