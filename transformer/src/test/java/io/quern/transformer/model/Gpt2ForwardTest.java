package io.quern.transformer.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.golden.Golden;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.TokenBatch;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** GPT-2 against transformers' logits and hidden states. */
class Gpt2ForwardTest extends LeakChecked {
    /** What is promised for float32. */
    private static final double LOGITS = 1e-4;

    @ParameterizedTest
    @ValueSource(strings = {"prompt_0", "prompt_1", "prompt_2"})
    void logitsAreThoseOfTransformers(String id) {
        Golden.Case c = Golden.load("gpt2_forward").get(id);
        try (CausalLanguageModel model = TestModels.gpt2Tiny()) {
            Scope.run(() -> {
                Tensor logits = model.logits(row(c.input().get("input_ids"))).select(0, 0);
                assertEquals(c.expected("logits").shape(), logits.shape());
                c.assertClose("logits", logits);
                Golden.assertClose(id, c.expected("logits_f64").data(), logits.toDoubles(), LOGITS, 0);
                return null;
            });
        }
    }

    @Test
    void hiddenStatesAreThoseOfTransformers() {
        Golden.Case c = Golden.load("gpt2_forward").get("prompt_0");
        try (CausalLanguageModel model = TestModels.gpt2Tiny()) {
            Scope.run(() -> {
                List<Tensor> states =
                        model.hiddenStates(TokenBatch.of(row(c.input().get("input_ids"))));
                assertEquals(3, states.size());
                for (int i = 0; i < states.size(); i++) {
                    c.assertClose("hidden_states_" + i, states.get(i).select(0, 0));
                }
                return null;
            });
        }
    }

    @Test
    void aLeftPaddedBatchGivesTheLogitsOfEachPrompt() {
        Golden.Case c = Golden.load("gpt2_forward").get("batch_left_padded");
        JsonNode mask = c.input().get("attention_mask");
        List<int[]> prompts = new ArrayList<>();
        for (int i = 0; i < mask.size(); i++) {
            int[] ids = ints(c.input().get("input_ids").get(i));
            int pads = ids.length - sum(ints(mask.get(i)));
            prompts.add(java.util.Arrays.copyOfRange(ids, pads, ids.length));
        }
        try (CausalLanguageModel model = TestModels.gpt2Tiny()) {
            Scope.run(() -> {
                TokenBatch batch = TokenBatch.leftPadded(prompts, 0);
                assertEquals(flat(c.input().get("input_ids")), list(batch.ids()));
                assertEquals(flat(mask), list(batch.mask()));
                assertEquals(flat(c.input().get("position_ids")), list(batch.positions()));
                c.assertClose("last_logits", model.lastLogits(batch));
                return null;
            });
        }
    }

    /** bfloat16, two files, no prefix, masks among the tensors. */
    @ParameterizedTest
    @EnumSource(Purpose.class)
    void aCheckpointInTheLayoutOfPublicOnesGivesTheLogitsOfTransformers(Purpose purpose) {
        Golden.Case c = Golden.load("gpt2_hub_forward").get("prompt_0");
        try (CausalLanguageModel model =
                ModelDir.open(TestModels.folder("gpt2-tiny-hub")).load(purpose)) {
            Scope.run(() -> {
                c.assertClose(
                        "logits", model.logits(row(c.input().get("input_ids"))).select(0, 0));
                return null;
            });
        }
    }

    private static Tensor row(JsonNode ids) {
        int[] x = ints(ids);
        return Tensor.of(x, 1, x.length);
    }

    private static int[] ints(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
    }

    private static List<Integer> flat(JsonNode rows) {
        List<Integer> all = new ArrayList<>();
        rows.forEach(r -> r.forEach(n -> all.add(n.asInt())));
        return all;
    }

    private static List<Integer> list(Tensor t) {
        return java.util.Arrays.stream(t.toInts()).boxed().toList();
    }

    private static int sum(int[] x) {
        return java.util.Arrays.stream(x).sum();
    }
}
