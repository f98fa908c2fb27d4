package io.quern.transformer.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.golden.Golden;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.text.Tokenizer;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Greedy decoding and beam search against transformers' {@code generate}. */
class GoldenGenerateTest extends LeakChecked {
    private static final double SCORES = 1e-4;

    static List<Golden.Case> cases() {
        List<Golden.Case> all = Golden.load("gpt2_generate").cases();
        assertEquals(36, all.size());
        return all;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void sequencesAndScoresAreThoseOfTransformers(Golden.Case c) {
        JsonNode expected = c.expected();
        GenerationConfig config = GenerationConfig.read(new ConfigJson(c.id(), (ObjectNode) c.params()));
        Tokenizer tokenizer = Tokenizer.load(TestModels.folder("gpt2-tiny"));
        try (CausalLanguageModel model = TestModels.gpt2Tiny()) {
            GenerationResult result = new Generator(model, tokenizer)
                    .generate(GenerationRequest.of(ints(c.input().get("input_ids")), config));
            assertEquals(expected.get("sequences").size(), result.sequences().size());
            for (int i = 0; i < result.sequences().size(); i++) {
                GeneratedSequence s = result.sequences().get(i);
                assertArrayEquals(ints(expected.get("sequences").get(i)), s.tokens(), "sequence " + i);
                boolean ended = expected.get("ended_by_eos").get(i).asBoolean();
                assertEquals(ended ? FinishReason.EOS : FinishReason.LENGTH, s.finishReason());
                if (!ended) {
                    assertEquals(expected.get("texts").get(i).asText(), s.text());
                }
                assertEquals(config.numBeams() > 1, s.score().isPresent());
            }
            if (config.numBeams() > 1) {
                double[] scores = result.sequences().stream()
                        .mapToDouble(s -> s.score().getAsDouble())
                        .toArray();
                c.assertClose("sequences_scores", scores);
                assertTrue(c.abs() <= SCORES, "the tolerance of the case is within what is promised");
            }
        }
    }

    static int[] ints(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
    }
}
