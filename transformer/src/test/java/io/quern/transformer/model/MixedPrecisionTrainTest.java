package io.quern.transformer.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
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
import io.quern.tensor.golden.Golden;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import org.junit.jupiter.api.Test;

/** Training in BF16 with F32 weights comes to the losses of F32 training, to the precision of BF16. */
class MixedPrecisionTrainTest extends LeakChecked {
    private static final int STEPS = 8;

    /** Half a step of BF16 is 1/256 of a number; losses average over many. */
    private static final double LOSS = 1e-2;

    @Test
    void lossesFollowThoseOfPyTorch() {
        Golden.Case c = Golden.load("gpt2_train").cases().stream()
                .filter(k -> k.params().path("type").asText().equals("adamw")
                        && !k.params().has("cosine_schedule")
                        && !k.params().has("clip_norm"))
                .findFirst()
                .orElseThrow();
        JsonNode p = c.params();
        JsonNode rows = c.input().get("input_ids");
        JsonNode losses = c.expected().get("losses");
        try (CausalLanguageModel model =
                        ModelDir.open(TestModels.folder("gpt2-tiny")).load(Purpose.TRAINING);
                Optimizer optimizer = new AdamW(
                        p.path("decay_matrices_only").asBoolean()
                                ? ParamGroup.decayMatrices(
                                        model, p.get("weight_decay").asDouble())
                                : ParamGroup.all(model, p.get("weight_decay").asDouble()),
                        p.get("betas").get(0).asDouble(),
                        p.get("betas").get(1).asDouble(),
                        p.get("eps").asDouble())) {
            model.computeLossIn(DType.BF16);
            for (int i = 0; i < STEPS; i++) {
                double want = losses.get(i).asDouble();
                double got = Scope.run(() -> {
                    Gradients g = Tape.gradients(() -> loss(model, rows));
                    for (Param param : model.parameters().values()) {
                        assertEquals(DType.F32, g.of(param.value()).dtype(), param.name());
                    }
                    optimizer.step(g, p.get("lr").asDouble(), 1);
                    return g.loss().item();
                });
                assertEquals(want, got, LOSS * want, "loss of step " + i);
                assertNotEquals((float) want, (float) got, "the loss is that of F32");
            }
            double first = losses.get(0).asDouble();
            assertTrue(losses.get(STEPS - 1).asDouble() < first * (1 - 3 * LOSS), "nothing to learn in so few steps");
        }
    }

    @Test
    void recomputationIsRefused() {
        try (CausalLanguageModel model =
                ModelDir.open(TestModels.folder("gpt2-tiny")).load(Purpose.TRAINING)) {
            model.computeLossIn(DType.BF16);
            model.setRecompute(true);
            JsonNode rows = Golden.load("gpt2_train").get("gradients").input().get("input_ids");
            assertThrows(
                    TensorException.class,
                    () -> Scope.run(() -> loss(model, rows).item()));
        }
    }

    private static Tensor loss(CausalLanguageModel model, JsonNode rows) {
        int t = rows.get(0).size() - 1;
        int[] inputs = new int[rows.size() * t];
        int[] targets = new int[rows.size() * t];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = rows.get(i / t).get(i % t).asInt();
            targets[i] = rows.get(i / t).get(i % t + 1).asInt();
        }
        return model.loss(Tensor.of(inputs, rows.size(), t), Tensor.of(targets, rows.size(), t));
    }
}
