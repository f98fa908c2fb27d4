package io.quern.transformer.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.TensorException;
import io.quern.transformer.ConfigJson;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GenerationConfigTest {
    private static ConfigJson json(String text) {
        return ConfigJson.parse("generation_config.json", text.getBytes());
    }

    @Test
    void anEmptyFileHasTheDefaultsOfTransformers() {
        GenerationConfig c = GenerationConfig.read(json("{}"));
        assertEquals(GenerationConfig.greedy(), c);
        assertEquals(20, c.newTokenLimit(7));
        assertEquals(50, c.topK());
        assertEquals(1, c.temperature());
    }

    @Test
    void aFileAndOverridesOnTop() {
        GenerationConfig c = GenerationConfig.read(json("""
            {"bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": null, "do_sample": true, "top_p": 0.9,
             "temperature": 0.6, "max_length": 100, "_from_model_config": true, "transformers_version": "5.17.0"}
            """));
        assertEquals(List.of(2, 3), c.eosTokenIds());
        assertEquals(OptionalInt.of(1), c.bosTokenId());
        assertEquals(OptionalInt.empty(), c.padTokenId());
        assertEquals(90, c.newTokenLimit(10));
        GenerationConfig changed = c.toBuilder().topP(0.5).maxNewTokens(7).build();
        assertEquals(0.5, changed.topP());
        assertEquals(0.6, changed.temperature());
        assertEquals(7, changed.newTokenLimit(10));
    }

    @Test
    void whatIsWrittenReadsTheSame() {
        GenerationConfig c = GenerationConfig.builder()
                .maxNewTokens(7)
                .maxLength(9)
                .minNewTokens(2)
                .temperature(0.7)
                .topK(9)
                .topP(0.8)
                .minP(0.1)
                .repetitionPenalty(1.3)
                .noRepeatNgramSize(3)
                .numBeams(4)
                .lengthPenalty(-0.5)
                .earlyStopping(EarlyStopping.NEVER)
                .numReturnSequences(2)
                .eosTokenIds(List.of(5, 6))
                .bosTokenId(4)
                .padTokenId(0)
                .stopStrings(List.of("a", "b"))
                .build();
        assertEquals(c, GenerationConfig.read(json(c.toJson().toString())));
        GenerationConfig sampled =
                GenerationConfig.builder().doSample(true).numReturnSequences(3).build();
        assertEquals(sampled, GenerationConfig.read(json(sampled.toJson().toString())));
        assertEquals("{}", GenerationConfig.greedy().toJson().toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"temperature\": 0",
                "\"temperature\": \"hot\"",
                "\"top_k\": -1",
                "\"top_p\": 1.5",
                "\"min_p\": 2",
                "\"num_beams\": 0",
                "\"num_beams\": 2.5",
                "\"early_stopping\": \"maybe\"",
                "\"early_stopping\": 1",
                "\"max_new_tokens\": 0",
                "\"eos_token_id\": -3",
                "\"do_sample\": 1",
                "\"repetition_penalty\": 0",
                "\"num_return_sequences\": 2"
            })
    void wrongValuesNameFileAndKey(String entry) {
        TensorException e = assertThrows(TensorException.class, () -> GenerationConfig.read(json("{" + entry + "}")));
        String key = entry.substring(1, entry.indexOf('"', 1));
        assertTrue(e.getMessage().startsWith("generation_config.json: "), e.getMessage());
        assertTrue(e.getMessage().contains(key), e.getMessage());
    }

    @Test
    void valuesThatExcludeEachOtherAreErrors() {
        assertInvalid("num_beams 2 and do_sample", b -> b.numBeams(2).doSample(true));
        assertInvalid(
                "num_return_sequences 3 is more than num_beams 2",
                b -> b.numBeams(2).numReturnSequences(3));
        assertInvalid("greedy decoding gives one sequence", b -> b.numReturnSequences(2));
        assertInvalid("a stop string cannot be empty", b -> b.stopStrings(List.of("")));
        assertInvalid("num_beams must be 1 or more, not 0", b -> b.numBeams(0));
        assertInvalid("temperature must be positive, not NaN", b -> b.temperature(Double.NaN));
    }

    private static void assertInvalid(String message, UnaryOperator<GenerationConfig.Builder> change) {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class,
                () -> change.apply(GenerationConfig.builder()).build());
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @Test
    void optionsThatWouldChangeTheResultAndAreNotSupportedAreListed() {
        assertEquals(List.of("typical_p", "suppress_tokens"), GenerationConfig.unsupported(json("""
            {"typical_p": 0.2, "suppress_tokens": [1], "bad_words_ids": [], "num_beam_groups": 1,
             "penalty_alpha": null, "guidance_scale": 1, "output_attentions": false}\
            """)));
    }
}
