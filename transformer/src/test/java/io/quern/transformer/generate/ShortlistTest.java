package io.quern.transformer.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Decoding from the best scores alone chooses the very tokens that decoding from all scores does. */
class ShortlistTest extends LeakChecked {
    private static final int VOCABULARY = 1000;
    private static final int[] PROMPT = {3, 14, 15};

    /** Changes nothing, but might: so all scores are looked at. */
    private static final LogitsProcessor LOOKS_AT_ALL = new LogitsProcessor() {
        @Override
        public String name() {
            return "looks at all";
        }

        @Override
        public void process(float[] scores, TokenSequence tokens) {
            assertTrue(scores.length > 20, "all scores");
        }
    };

    private static void same(GenerationConfig config) {
        try (CausalLanguageModel model = TestModels.gpt2Tiny()) {
            Generator generator = new Generator(model, null);
            GenerationRequest request = GenerationRequest.of(PROMPT, config);
            GenerationResult few = generator.generate(request);
            GenerationResult all = generator.generate(request.withProcessors(List.of(LOOKS_AT_ALL)));
            assertEquals(all.sequences().size(), few.sequences().size());
            for (int i = 0; i < all.sequences().size(); i++) {
                assertArrayEquals(
                        all.sequences().get(i).tokens(), few.sequences().get(i).tokens(), "sequence " + i);
                assertEquals(
                        all.sequences().get(i).score(), few.sequences().get(i).score());
            }
        }
    }

    private static GenerationConfig.Builder sampling() {
        return GenerationConfig.builder().maxNewTokens(30).doSample(true).numReturnSequences(4);
    }

    @Test
    void greedy() {
        same(GenerationConfig.builder().maxNewTokens(30).build());
    }

    @Test
    void samplingByAllFilters() {
        for (int seed = 0; seed < 5; seed++) {
            same(sampling().topK(5).seed(seed).build());
            same(sampling().topK(50).temperature(0.7).topP(0.9).seed(seed).build());
            same(sampling().topK(20).temperature(3).minP(0.1).seed(seed).build());
        }
    }

    @Test
    void beams() {
        same(GenerationConfig.builder()
                .maxNewTokens(20)
                .numBeams(4)
                .numReturnSequences(4)
                .build());
        same(GenerationConfig.builder()
                .maxNewTokens(20)
                .numBeams(3)
                .eosTokenIds(List.of(7, 8, 9))
                .build());
    }

    @Test
    void itIsTakenWhereNothingElseIsNeeded() {
        assertEquals(
                1,
                Shortlist.of(GenerationConfig.builder().build(), List.of(), VOCABULARY)
                        .size());
        assertEquals(
                56,
                Shortlist.of(sampling().topK(40).build(), List.of(), VOCABULARY).size());
        assertNotNull(Shortlist.ofBest(8, VOCABULARY));
        assertNull(Shortlist.of(sampling().topK(0).build(), List.of(), VOCABULARY));
        assertNull(Shortlist.of(sampling().topK(990).build(), List.of(), VOCABULARY));
        assertNull(Shortlist.of(sampling().topK(2000).build(), List.of(), 50257));
        assertNull(Shortlist.of(sampling().repetitionPenalty(1.1).build(), List.of(), VOCABULARY));
        assertNull(Shortlist.of(sampling().build(), List.of(LOOKS_AT_ALL), VOCABULARY));
    }

    @Test
    void tiesAtItsEndNeedAllScores() {
        Shortlist list = Shortlist.ofBest(2, VOCABULARY);
        float[] best = new float[list.size()];
        int[] tokens = new int[list.size()];
        for (int i = 0; i < best.length; i++) {
            best[i] = -1 - i * 1e-6f;
            tokens[i] = 100 - i;
        }
        list.fill(best, tokens, 0);
        assertTrue(list.hasBest(1));
        assertTrue(list.hasBestAfter(-3));
        assertFalse(list.hasBest(1e40), "rounded to the same by division");
        assertFalse(list.hasBestAfter(-1e30), "rounded to the same by addition");
        assertEquals(best[best.length - 1], list.scores()[0]);
        assertEquals(100 - best.length + 1, list.token(0));
        best[best.length - 1] = best[1];
        list.fill(best, tokens, 0);
        assertFalse(list.hasBest(1));
        assertFalse(list.hasBestAfter(-3));
    }
}
