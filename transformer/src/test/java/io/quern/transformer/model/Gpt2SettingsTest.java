package io.quern.transformer.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.TokenBatch;
import java.io.IOException;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Settings that the reference model does not have. */
class Gpt2SettingsTest extends LeakChecked {
    private static final double CLOSE = 2e-5;

    static List<JsonNode> variants() throws IOException {
        JsonNode all = new ObjectMapper().readTree(Golden.bytes("/model/gpt2_variants.json"));
        assertEquals(4, all.size());
        return StreamSupport.stream(all.spliterator(), false).toList();
    }

    /** Activations, scales of the attention, inner widths and an untied head, as transformers computes them. */
    @ParameterizedTest
    @MethodSource("variants")
    void variantsGiveTheLogitsOfTransformers(JsonNode variant) {
        Gpt2Config config = Gpt2Config.read(new ConfigJson("variant", (ObjectNode) variant.get("config")));
        TreeSet<String> names = new TreeSet<>();
        new Gpt2(config, (path, shape) -> {
                    names.add(path);
                    return Tensor.zeros(1).expand(shape);
                })
                .close();
        Init formula = (path, shape) -> {
            float[] x = new float[(int) shape.size()];
            int k = names.headSet(path).size();
            double one = path.contains("ln_") && path.endsWith("weight") ? 1 : 0;
            for (int i = 0; i < x.length; i++) {
                x[i] = (float) (0.4 * Math.sin(1.7 * k + 0.61 * i) + one);
            }
            return Tensor.of(x, shape.dims());
        };
        int[] ids = StreamSupport.stream(variant.get("ids").spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
        double[] expected = StreamSupport.stream(variant.get("logits").spliterator(), false)
                .flatMapToDouble(
                        row -> StreamSupport.stream(row.spliterator(), false).mapToDouble(JsonNode::asDouble))
                .toArray();
        try (Gpt2 model = new Gpt2(config, formula)) {
            double[] got =
                    Scope.run(() -> model.logits(Tensor.of(ids, 1, ids.length)).toDoubles());
            Golden.assertClose(variant.get("config").toString(), expected, got, CLOSE, CLOSE);
        }
    }

    @Test
    void dropoutDropsInTrainingOnlyAndTheSameInTheSameStep() {
        try (Gpt2 model = new Gpt2(Gpt2Config.of(40, 24, 32, 2, 4).withDropout(0.3), Init.normal(1, 0.3));
                Gpt2 plain = TestModels.small(1)) {
            float[] quiet = logits(model);
            assertArrayEquals(logits(plain), quiet);
            float[] step0 = TrainingMode.with(7, 0, () -> logits(model));
            float[] again = TrainingMode.with(7, 0, () -> logits(model));
            float[] step1 = TrainingMode.with(7, 1, () -> logits(model));
            assertArrayEquals(step0, again);
            assertNotEquals(quiet[0], step0[0]);
            assertNotEquals(step0[0], step1[0]);
        }
    }

    /** Each of the three probabilities has its own effect. */
    @Test
    void everyDropoutProbabilityCounts() {
        for (String key : List.of("resid_pdrop", "embd_pdrop", "attn_pdrop")) {
            ObjectNode json = Gpt2Config.of(40, 24, 32, 2, 4).toJson();
            json.put(key, 0.5);
            try (Gpt2 model = new Gpt2(Gpt2Config.read(new ConfigJson(key, json)), Init.normal(1, 0.3))) {
                float[] dropped = TrainingMode.with(7, 0, () -> logits(model));
                assertNotEquals(logits(model)[39], dropped[39], key);
            }
        }
    }

    private static float[] logits(Gpt2 model) {
        return Scope.run(() ->
                model.logits(Tensor.of(new int[] {1, 5, 2, 7}, 1, 4)).toFloats());
    }

    @Test
    void theLossIsTheMeanOfTargetsThatCountAndIsRecorded() {
        try (Gpt2 model = TestModels.small(1)) {
            Scope.run(() -> {
                Tensor ids = Tensor.of(new int[] {1, 5, 2, 7}, 1, 4);
                Tensor targets = Tensor.of(new int[] {5, -100, 7, -100}, 1, 4);
                double[] log = model.logits(ids).logSoftmax().toDoubles();
                double expected = -(log[5] + log[2 * 40 + 7]) / 2;
                assertEquals(expected, model.loss(ids, targets).item(), 1e-5);
                Tape.gradients(() -> model.loss(ids, targets)).close();
                return null;
            });
        }
    }

    @Test
    void sequencesThatAreTooLongOrEmptyAreErrors() {
        try (Gpt2 model = TestModels.small(1)) {
            assertMessage(
                    "25 tokens is longer than the model's context of 24",
                    () -> Scope.run(
                            () -> model.logits(Tensor.of(new int[25], 1, 25)).toFloats()));
            assertMessage(
                    "with one token or more",
                    () -> Scope.run(
                            () -> model.logits(Tensor.of(new int[0], 1, 0)).toFloats()));
            assertMessage(
                    "40",
                    () -> Scope.run(
                            () -> model.logits(Tensor.of(new int[] {40}, 1, 1)).toFloats()));
        }
    }

    @Test
    void sizesThatDoNotFitTogetherAreErrors() {
        assertMessage("n_embd 10 is not a multiple of n_head 3", () -> Gpt2Config.of(5, 5, 10, 1, 3));
        assertMessage("sizes must be positive", () -> Gpt2Config.of(5, 0, 10, 1, 2));
    }

    @Test
    void parametersHaveTheNamesAndShapesOfCheckpoints() {
        try (Gpt2 model = TestModels.small(1)) {
            assertEquals(4 + 2 * 12, model.parameters().size());
            assertEquals(
                    "[32, 96]",
                    model.parameters()
                            .get("transformer.h.1.attn.c_attn.weight")
                            .shape()
                            .toString());
            // 12 C^2 + 13 C a block, the embeddings and the last norm
            assertEquals(2 * (12 * 32 * 32 + 13 * 32) + (40 + 24) * 32 + 64, model.parameterCount());
        }
    }

    @Test
    void paddingOfEqualSequencesIsNone() {
        Scope.run(() -> {
            assertEquals(
                    null,
                    TokenBatch.leftPadded(List.of(new int[] {1}, new int[] {2}), 0)
                            .mask());
            return null;
        });
    }

    private static void assertMessage(String part, org.junit.jupiter.api.function.Executable code) {
        String message = assertThrows(TensorException.class, code).getMessage();
        assertTrue(message.contains(part), message);
    }
}
