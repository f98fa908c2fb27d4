package io.quern.transformer.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.golden.Golden;
import io.quern.transformer.ConfigJson;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The processors against transformers'. */
class GoldenSamplingTest {
    private static final double DISTRIBUTION = 1e-5;

    static List<Golden.Case> cases() {
        List<Golden.Case> all = Golden.load("gpt2_sampling").cases();
        assertEquals(22, all.size());
        return all;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void distributionsAreThoseOfTransformers(Golden.Case c) {
        double[] wide = c.input("logits").data();
        float[] logits = new float[wide.length];
        IntStream.range(0, wide.length).forEach(i -> logits[i] = (float) wide[i]);
        ObjectNode params = c.params().deepCopy();
        params.put("do_sample", true);
        if (!params.has("top_k")) {
            params.put("top_k", 0);
        }
        GenerationConfig config = GenerationConfig.read(new ConfigJson(c.id(), params));
        int[] prompt =
                c.input().has("input_ids") ? GoldenGenerateTest.ints(c.input().get("input_ids")) : new int[] {0};
        float[] processed =
                LogitsProcessors.apply(LogitsProcessors.of(config, List.of()), logits, new TokenSequence(prompt, 0));

        double[] probabilities = new double[processed.length];
        double sum = Sampler.softmax(processed, processed[Sampler.argmax(processed)], probabilities);
        for (int i = 0; i < probabilities.length; i++) {
            probabilities[i] /= sum;
        }
        Golden.assertClose(c.id(), c.expected("probs").data(), probabilities, DISTRIBUTION, 0);
        c.assertClose("probs", probabilities);

        List<Integer> kept = new ArrayList<>();
        for (int i = 0; i < processed.length; i++) {
            if (processed[i] != Float.NEGATIVE_INFINITY) {
                kept.add(i);
            }
        }
        assertEquals(kept(c.expected().get("kept"), processed.length), kept);
        assertFalse(kept.isEmpty());
        if (c.expected().has("processed_logits")) {
            double[] zeroed = IntStream.range(0, processed.length)
                    .mapToDouble(i -> Float.isFinite(processed[i]) ? processed[i] : 0)
                    .toArray();
            c.assertClose("processed_logits", zeroed);
        }
    }

    private static List<Integer> kept(JsonNode node, int all) {
        return node.isTextual()
                ? IntStream.range(0, all).boxed().toList()
                : IntStream.of(GoldenGenerateTest.ints(node)).boxed().toList();
    }
}
