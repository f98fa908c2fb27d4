package io.quern.transformer.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.Param;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.train.optim.GradientClip;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.Purpose;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** BERT against transformers: hidden states, pooler, logits, gradients; and what holds of any encoder. */
class BertTest extends LeakChecked {
    private static final Golden GOLDEN = Golden.load("bert");

    /** What is promised for float32. */
    private static final double LOGITS = 1e-4;

    private static final double GRAD_NORM = 1e-4;

    private static EncoderDir tiny() {
        return EncoderDir.open(TestModels.folder("bert-tiny"));
    }

    /** The batch of a case, padded as the case has it. */
    private static EncoderBatch batch(Golden.Case c) {
        return new EncoderBatch(
                ints(c.input().get("input_ids")),
                ints(c.input().get("attention_mask")),
                ints(c.input().get("token_type_ids")));
    }

    private static Tensor ints(JsonNode rows) {
        int t = rows.get(0).size();
        int[] x = new int[rows.size() * t];
        for (int i = 0; i < x.length; i++) {
            x[i] = rows.get(i / t).get(i % t).asInt();
        }
        return Tensor.of(x, rows.size(), t);
    }

    @ParameterizedTest
    @ValueSource(strings = {"forward_0", "forward_1"})
    void resultsAreThoseOfTransformers(String id) {
        Golden.Case c = GOLDEN.get(id);
        try (BertForSequenceClassification model = tiny().loadClassifier(Purpose.INFERENCE, null)) {
            Scope.run(() -> {
                EncoderBatch batch = batch(c);
                Tensor logits = model.logits(batch);
                c.assertClose("logits", logits);
                Golden.assertClose(id, c.expected("logits_f64").data(), logits.toDoubles(), LOGITS, 0);
                List<Tensor> states = model.encoder().hiddenStates(batch);
                assertEquals(3, states.size());
                for (int i = 0; i < states.size(); i++) {
                    assertCloseWhereSeen(c, "hidden_states_" + i, states.get(i));
                }
                c.assertClose("pooler_output", model.encoder().pooled(states.getLast()));
                return null;
            });
        }
    }

    /** Padded positions have values in both, but they mean nothing. */
    private static void assertCloseWhereSeen(Golden.Case c, String name, Tensor got) {
        Golden.Values expected = c.expected(name);
        assertEquals(expected.shape(), got.shape());
        double[] x = got.toDoubles();
        int width = got.dim(2);
        double[] seen = new double[x.length];
        double[] wanted = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            int row = i / width;
            if (c.input()
                            .get("attention_mask")
                            .get(row / got.dim(1))
                            .get(row % got.dim(1))
                            .asInt()
                    == 1) {
                seen[i] = x[i];
                wanted[i] = expected.data()[i];
            }
        }
        Golden.assertClose(c.id() + "." + name, wanted, seen, c.abs(), c.rel());
    }

    @ParameterizedTest
    @ValueSource(strings = {"gradients_0", "gradients_1"})
    void gradientsAreThoseOfPyTorch(String id) {
        Golden.Case c = GOLDEN.get(id);
        try (BertForSequenceClassification model = tiny().loadClassifier(Purpose.TRAINING, null);
                Gradients g = Tape.gradients(() -> model.loss(batch(c), labels(c)))) {
            assertEquals(
                    c.expected().get("loss").asDouble(),
                    g.loss().item(),
                    c.tolerance().get("loss").asDouble());
            Map<String, Param> params = model.parameters();
            int compared = 0;
            for (Map.Entry<String, JsonNode> e : c.expected().get("grads").properties()) {
                double[] expected = GOLDEN.values(e.getValue(), e.getKey()).data();
                Golden.assertClose(
                        e.getKey(),
                        expected,
                        g.of(params.get(e.getKey()).value()).toDoubles(),
                        c.abs(),
                        c.rel());
                compared++;
            }
            assertEquals(params.size(), compared);
            double norm = c.expected().get("grad_norm").asDouble();
            assertEquals(norm, GradientClip.norm(g, params.values()), GRAD_NORM * norm);
        }
    }

    private static Tensor labels(Golden.Case c) {
        JsonNode labels = c.input().get("labels");
        int[] x = new int[labels.size()];
        for (int i = 0; i < x.length; i++) {
            x[i] = labels.get(i).asInt();
        }
        return Tensor.of(x, x.length);
    }

    @Test
    void aTextGivesTheSameAloneAndPaddedInABatch() {
        int[] text = {2, 70, 172, 111, 3};
        int[] longer = {2, 188, 414, 143, 91, 70, 172, 86, 286, 3};
        try (Bert bert = tiny().load(Purpose.INFERENCE)) {
            Scope.run(() -> {
                float[] alone =
                        bert.forward(EncoderBatch.rightPadded(List.of(text), 0)).toFloats();
                Tensor both = bert.forward(EncoderBatch.rightPadded(List.of(longer, text), 0));
                float[] padded = both.select(0, 1).narrow(0, 0, text.length).toFloats();
                assertArrayEquals(alone, padded, 1e-5f);
                // Whatever fills the padding.
                float[] other = bert.forward(EncoderBatch.rightPadded(List.of(longer, text), 77))
                        .select(0, 1)
                        .narrow(0, 0, text.length)
                        .toFloats();
                assertArrayEquals(padded, other);
                return null;
            });
        }
    }

    @Test
    void tokenTypesMatterAndAreZeroByDefault() {
        int[] text = {2, 70, 3, 111, 3};
        try (Bert bert = tiny().load(Purpose.INFERENCE)) {
            Scope.run(() -> {
                float[] none =
                        bert.forward(EncoderBatch.rightPadded(List.of(text), 0)).toFloats();
                float[] zeros = bert.forward(new EncoderBatch(Tensor.of(text, 1, 5), null, Tensor.of(new int[5], 1, 5)))
                        .toFloats();
                float[] pair = bert.forward(
                                EncoderBatch.rightPadded(List.of(text), List.of(new int[] {0, 0, 0, 1, 1}), 0))
                        .toFloats();
                assertArrayEquals(none, zeros, 1e-5f);
                assertTrue(Math.abs(none[0] - pair[0]) > 1e-3);
                return null;
            });
        }
    }

    @Test
    void dropoutDropsInTrainingOnlyAndByTheSeed() {
        BertConfig config = BertConfig.of(40, 16, 32, 2, 4).withDropout(0.3);
        EncoderBatch batch = EncoderBatch.rightPadded(List.of(new int[] {1, 2, 3, 4}, new int[] {5, 6}), 0);
        try (BertForSequenceClassification model = new BertForSequenceClassification(config, Bert.init(1));
                Tensor ids = batch.ids();
                Tensor mask = batch.mask()) {
            float[] still = Scope.run(() -> model.logits(batch).toFloats());
            assertArrayEquals(still, Scope.run(() -> model.logits(batch).toFloats()));
            float[] one = TrainingMode.with(
                    1, 0, () -> Scope.run(() -> model.logits(batch).toFloats()));
            float[] same = TrainingMode.with(
                    1, 0, () -> Scope.run(() -> model.logits(batch).toFloats()));
            float[] next = TrainingMode.with(
                    1, 1, () -> Scope.run(() -> model.logits(batch).toFloats()));
            assertArrayEquals(one, same);
            assertTrue(Math.abs(one[0] - still[0]) > 1e-6);
            assertTrue(Math.abs(one[0] - next[0]) > 1e-6);
            // The gradient knows the mask of the forward run.
            Tensor classes = Tensor.of(new int[] {0, 1}, 2);
            try (classes;
                    Gradients g = Tape.gradients(() -> TrainingMode.with(1, 0, () -> model.loss(batch, classes)))) {
                assertTrue(g.loss().item() > 0);
                assertEquals(ids.size() + mask.size(), 16);
            }
        }
    }

    @Test
    void aSequenceBeyondThePositionsIsRefused() {
        try (Bert bert = tiny().load(Purpose.INFERENCE)) {
            TensorException e = assertThrows(
                    TensorException.class,
                    () -> Scope.run(() -> bert.forward(EncoderBatch.rightPadded(List.of(new int[65]), 0))
                            .toFloats()));
            assertTrue(e.getMessage().contains("65") && e.getMessage().contains("64"), e.getMessage());
        }
    }

    @Test
    void batchesOfOtherShapesAreRefused() {
        Scope.run(() -> {
            Tensor ids = Tensor.of(new int[6], 2, 3);
            assertThrows(TensorException.class, () -> new EncoderBatch(ids, Tensor.of(new int[6], 3, 2), null));
            assertThrows(TensorException.class, () -> new EncoderBatch(ids, null, Tensor.of(new int[3], 1, 3)));
            assertThrows(TensorException.class, () -> EncoderBatch.of(Tensor.of(new int[6], 6)));
            List<int[]> texts = new ArrayList<>(List.of(new int[3]));
            assertThrows(TensorException.class, () -> EncoderBatch.rightPadded(texts, List.of(new int[2]), 0));
            assertFalse(EncoderBatch.rightPadded(texts, 0).mask() != null);
            return null;
        });
    }
}
