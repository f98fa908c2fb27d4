package io.quern.transformer.generate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.TensorException;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * How to decode, with the names, defaults and meanings of transformers' {@code GenerationConfig}.
 *
 * @param maxNewTokens the most new tokens
 * @param maxLength the most tokens with the prompt; only where maxNewTokens says nothing
 * @param minNewTokens so many new tokens come before an end token
 * @param doSample whether to draw tokens instead of taking the likeliest; the next four count only then
 * @param temperature divides the scores
 * @param topK keeps the k likeliest tokens; 0 keeps all
 * @param topP keeps the likeliest tokens that sum to p; 1 keeps all
 * @param minP keeps tokens with at least this share of the likeliest one's probability; 0 keeps all
 * @param repetitionPenalty weakens tokens that were there already; 1 does nothing
 * @param noRepeatNgramSize bans n-grams that were there already; 0 bans none
 * @param numBeams beams of the beam search; 1 for none
 * @param lengthPenalty scores are divided by length to this power
 * @param earlyStopping of the beam search
 * @param numReturnSequences how many sequences to give
 * @param eosTokenIds end a sequence
 * @param bosTokenId stands for an empty prompt
 * @param padTokenId fills short sequences
 * @param stopStrings end a sequence when its new text contains one
 * @param seed of the sampling
 */
public record GenerationConfig(
        OptionalInt maxNewTokens,
        OptionalInt maxLength,
        int minNewTokens,
        boolean doSample,
        double temperature,
        int topK,
        double topP,
        double minP,
        double repetitionPenalty,
        int noRepeatNgramSize,
        int numBeams,
        double lengthPenalty,
        EarlyStopping earlyStopping,
        int numReturnSequences,
        List<Integer> eosTokenIds,
        OptionalInt bosTokenId,
        OptionalInt padTokenId,
        List<String> stopStrings,
        long seed) {
    /** New tokens where neither maxNewTokens nor maxLength says anything, as in transformers. */
    private static final int DEFAULT_NEW_TOKENS = 20;

    /** Options of transformers that would change the result, and the values with which they do not. */
    private static final List<Neutral> NEUTRAL = List.of(
            new Neutral("num_beam_groups", "1"),
            new Neutral("diversity_penalty", "0.0"),
            new Neutral("penalty_alpha", "0.0"),
            new Neutral("typical_p", "1.0"),
            new Neutral("epsilon_cutoff", "0.0"),
            new Neutral("eta_cutoff", "0.0"),
            new Neutral("top_h", ""),
            new Neutral("encoder_repetition_penalty", "1.0"),
            new Neutral("encoder_no_repeat_ngram_size", "0"),
            new Neutral("bad_words_ids", ""),
            new Neutral("force_words_ids", ""),
            new Neutral("constraints", ""),
            new Neutral("forced_bos_token_id", ""),
            new Neutral("forced_eos_token_id", ""),
            new Neutral("exponential_decay_length_penalty", ""),
            new Neutral("suppress_tokens", ""),
            new Neutral("begin_suppress_tokens", ""),
            new Neutral("sequence_bias", ""),
            new Neutral("guidance_scale", "1.0"),
            new Neutral("watermarking_config", ""),
            new Neutral("min_length", "0"));

    private record Neutral(String key, String value) {}

    public GenerationConfig {
        check(maxNewTokens.isEmpty() || maxNewTokens.getAsInt() >= 1, "max_new_tokens", maxNewTokens, "1 or more");
        check(maxLength.isEmpty() || maxLength.getAsInt() >= 1, "max_length", maxLength, "1 or more");
        check(minNewTokens >= 0, "min_new_tokens", minNewTokens, "0 or more");
        check(temperature > 0 && temperature < Double.POSITIVE_INFINITY, "temperature", temperature, "positive");
        check(topK >= 0, "top_k", topK, "0 or more");
        check(topP > 0 && topP <= 1, "top_p", topP, "above 0 and at most 1");
        check(minP >= 0 && minP <= 1, "min_p", minP, "from 0 to 1");
        check(
                repetitionPenalty > 0 && repetitionPenalty < Double.POSITIVE_INFINITY,
                "repetition_penalty",
                repetitionPenalty,
                "positive");
        check(noRepeatNgramSize >= 0, "no_repeat_ngram_size", noRepeatNgramSize, "0 or more");
        check(numBeams >= 1, "num_beams", numBeams, "1 or more");
        check(Double.isFinite(lengthPenalty), "length_penalty", lengthPenalty, "a finite number");
        check(numReturnSequences >= 1, "num_return_sequences", numReturnSequences, "1 or more");
        if (numBeams > 1 && doSample) {
            throw new IllegalArgumentException(
                    "num_beams " + numBeams + " and do_sample exclude each other; choose beam search or sampling");
        }
        if (numBeams > 1 && numReturnSequences > numBeams) {
            throw new IllegalArgumentException("num_return_sequences " + numReturnSequences + " is more than num_beams "
                    + numBeams + "; raise num_beams");
        }
        if (numBeams == 1 && !doSample && numReturnSequences > 1) {
            throw new IllegalArgumentException("greedy decoding gives one sequence, but num_return_sequences is "
                    + numReturnSequences + "; set num_beams or do_sample");
        }
        if (stopStrings.stream().anyMatch(String::isEmpty)) {
            throw new IllegalArgumentException("stop_strings: a stop string cannot be empty");
        }
        eosTokenIds = List.copyOf(eosTokenIds);
        stopStrings = List.copyOf(stopStrings);
    }

    private static void check(boolean valid, String name, Object value, String expected) {
        if (!valid) {
            Object shown = value instanceof OptionalInt i ? i.getAsInt() : value;
            throw new IllegalArgumentException(name + " must be " + expected + ", not " + shown);
        }
    }

    /** Greedy decoding of 20 new tokens. */
    public static GenerationConfig greedy() {
        return new Builder().build();
    }

    /** A builder with transformers' defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /** A builder with these values, to change some. */
    public Builder toBuilder() {
        return new Builder(this);
    }

    /** The defaults for a model that has no {@code generation_config.json}. */
    public static GenerationConfig of(ModelConfig model) {
        Builder b = new Builder().eosTokenIds(model.eosTokenIds());
        b.bosTokenId = model.bosTokenId();
        return b.build();
    }

    /**
     * Reads {@code generation_config.json}.
     *
     * @throws TensorException if a value is of the wrong kind or out of range
     */
    public static GenerationConfig read(ConfigJson json) {
        Builder b = new Builder();
        if (json.has("max_new_tokens")) {
            b.maxNewTokens(json.integer("max_new_tokens", 1, Integer.MAX_VALUE));
        }
        if (json.has("max_length")) {
            b.maxLength(json.integer("max_length", 1, Integer.MAX_VALUE));
        }
        b.minNewTokens = json.integer("min_new_tokens", 0, Integer.MAX_VALUE, b.minNewTokens);
        b.doSample = json.flag("do_sample", b.doSample);
        b.temperature = json.number("temperature", b.temperature);
        b.topK = json.integer("top_k", 0, Integer.MAX_VALUE, b.topK);
        b.topP = json.number("top_p", b.topP);
        b.minP = json.number("min_p", b.minP);
        b.repetitionPenalty = json.number("repetition_penalty", b.repetitionPenalty);
        b.noRepeatNgramSize = json.integer("no_repeat_ngram_size", 0, Integer.MAX_VALUE, b.noRepeatNgramSize);
        b.numBeams = json.integer("num_beams", 1, Integer.MAX_VALUE, b.numBeams);
        b.lengthPenalty = json.number("length_penalty", b.lengthPenalty);
        b.earlyStopping = earlyStopping(json);
        b.numReturnSequences = json.integer("num_return_sequences", 1, Integer.MAX_VALUE, b.numReturnSequences);
        b.eosTokenIds = json.ids("eos_token_id");
        b.bosTokenId = first(json.ids("bos_token_id"));
        b.padTokenId = first(json.ids("pad_token_id"));
        b.stopStrings = json.strings("stop_strings");
        try {
            return b.build();
        } catch (IllegalArgumentException e) {
            throw new TensorException(json.file() + ": " + e.getMessage(), e);
        }
    }

    private static EarlyStopping earlyStopping(ConfigJson json) {
        JsonNode n = json.node().path("early_stopping");
        if (!json.has("early_stopping")) {
            return EarlyStopping.FALSE;
        }
        try {
            return EarlyStopping.parse(n.isBoolean() || n.isTextual() ? n.asText() : "");
        } catch (IllegalArgumentException e) {
            throw json.unexpected("early_stopping", "true, false or \"never\"");
        }
    }

    private static OptionalInt first(List<Integer> ids) {
        return ids.isEmpty() ? OptionalInt.empty() : OptionalInt.of(ids.getFirst());
    }

    /** The options in a {@code generation_config.json} that would change the result, but are not supported. */
    public static List<String> unsupported(ConfigJson json) {
        List<String> found = new ArrayList<>();
        for (Neutral n : NEUTRAL) {
            JsonNode value = json.node().path(n.key);
            boolean neutral = !json.has(n.key)
                    || (value.isArray() || value.isObject()) && value.isEmpty()
                    || value.isNumber() && !n.value.isEmpty() && value.doubleValue() == Double.parseDouble(n.value);
            if (!neutral) {
                found.add(n.key);
            }
        }
        return found;
    }

    /** The contents of {@code generation_config.json}: what differs from the defaults. */
    public ObjectNode toJson() {
        GenerationConfig d = greedy();
        ObjectNode json = ConfigJson.object();
        bosTokenId.ifPresent(id -> json.put("bos_token_id", id));
        if (eosTokenIds.size() == 1) {
            json.put("eos_token_id", eosTokenIds.getFirst());
        } else if (!eosTokenIds.isEmpty()) {
            eosTokenIds.forEach(json.putArray("eos_token_id")::add);
        }
        padTokenId.ifPresent(id -> json.put("pad_token_id", id));
        maxNewTokens.ifPresent(n -> json.put("max_new_tokens", n));
        maxLength.ifPresent(n -> json.put("max_length", n));
        put(json, "min_new_tokens", minNewTokens, d.minNewTokens);
        if (doSample) {
            json.put("do_sample", true);
        }
        put(json, "temperature", temperature, d.temperature);
        put(json, "top_k", topK, d.topK);
        put(json, "top_p", topP, d.topP);
        put(json, "min_p", minP, d.minP);
        put(json, "repetition_penalty", repetitionPenalty, d.repetitionPenalty);
        put(json, "no_repeat_ngram_size", noRepeatNgramSize, d.noRepeatNgramSize);
        put(json, "num_beams", numBeams, d.numBeams);
        put(json, "length_penalty", lengthPenalty, d.lengthPenalty);
        switch (earlyStopping) {
            case TRUE -> json.put("early_stopping", true);
            case FALSE -> {}
            case NEVER -> json.put("early_stopping", "never");
        }
        put(json, "num_return_sequences", numReturnSequences, d.numReturnSequences);
        if (!stopStrings.isEmpty()) {
            stopStrings.forEach(json.putArray("stop_strings")::add);
        }
        return json;
    }

    private static void put(ObjectNode json, String key, int value, int otherwise) {
        if (value != otherwise) {
            json.put(key, value);
        }
    }

    private static void put(ObjectNode json, String key, double value, double otherwise) {
        if (value != otherwise) {
            json.put(key, value);
        }
    }

    /** The most new tokens after a prompt of this length, the context aside; 0 or less if maxLength leaves none. */
    public int newTokenLimit(int promptTokens) {
        if (maxNewTokens.isPresent()) {
            return maxNewTokens.getAsInt();
        }
        return maxLength.isPresent() ? maxLength.getAsInt() - promptTokens : DEFAULT_NEW_TOKENS;
    }

    boolean isEos(int token) {
        for (int i = 0; i < eosTokenIds.size(); i++) {
            if (eosTokenIds.get(i) == token) {
                return true;
            }
        }
        return false;
    }

    /** Collects values; those not set have transformers' defaults. */
    public static final class Builder {
        private OptionalInt maxNewTokens = OptionalInt.empty();
        private OptionalInt maxLength = OptionalInt.empty();
        private int minNewTokens;
        private boolean doSample;
        private double temperature = 1;
        private int topK = 50;
        private double topP = 1;
        private double minP;
        private double repetitionPenalty = 1;
        private int noRepeatNgramSize;
        private int numBeams = 1;
        private double lengthPenalty = 1;
        private EarlyStopping earlyStopping = EarlyStopping.FALSE;
        private int numReturnSequences = 1;
        private List<Integer> eosTokenIds = List.of();
        private OptionalInt bosTokenId = OptionalInt.empty();
        private OptionalInt padTokenId = OptionalInt.empty();
        private List<String> stopStrings = List.of();
        private long seed;

        private Builder() {}

        private Builder(GenerationConfig c) {
            maxNewTokens = c.maxNewTokens;
            maxLength = c.maxLength;
            minNewTokens = c.minNewTokens;
            doSample = c.doSample;
            temperature = c.temperature;
            topK = c.topK;
            topP = c.topP;
            minP = c.minP;
            repetitionPenalty = c.repetitionPenalty;
            noRepeatNgramSize = c.noRepeatNgramSize;
            numBeams = c.numBeams;
            lengthPenalty = c.lengthPenalty;
            earlyStopping = c.earlyStopping;
            numReturnSequences = c.numReturnSequences;
            eosTokenIds = c.eosTokenIds;
            bosTokenId = c.bosTokenId;
            padTokenId = c.padTokenId;
            stopStrings = c.stopStrings;
            seed = c.seed;
        }

        public Builder maxNewTokens(int count) {
            maxNewTokens = OptionalInt.of(count);
            return this;
        }

        public Builder maxLength(int count) {
            maxLength = OptionalInt.of(count);
            return this;
        }

        public Builder minNewTokens(int count) {
            minNewTokens = count;
            return this;
        }

        public Builder doSample(boolean sample) {
            doSample = sample;
            return this;
        }

        public Builder temperature(double value) {
            temperature = value;
            return this;
        }

        public Builder topK(int k) {
            topK = k;
            return this;
        }

        public Builder topP(double p) {
            topP = p;
            return this;
        }

        public Builder minP(double p) {
            minP = p;
            return this;
        }

        public Builder repetitionPenalty(double penalty) {
            repetitionPenalty = penalty;
            return this;
        }

        public Builder noRepeatNgramSize(int n) {
            noRepeatNgramSize = n;
            return this;
        }

        public Builder numBeams(int beams) {
            numBeams = beams;
            return this;
        }

        public Builder lengthPenalty(double power) {
            lengthPenalty = power;
            return this;
        }

        public Builder earlyStopping(EarlyStopping when) {
            earlyStopping = when;
            return this;
        }

        public Builder numReturnSequences(int count) {
            numReturnSequences = count;
            return this;
        }

        public Builder eosTokenIds(List<Integer> ids) {
            eosTokenIds = ids;
            return this;
        }

        public Builder bosTokenId(int id) {
            bosTokenId = OptionalInt.of(id);
            return this;
        }

        public Builder padTokenId(int id) {
            padTokenId = OptionalInt.of(id);
            return this;
        }

        public Builder stopStrings(List<String> strings) {
            stopStrings = strings;
            return this;
        }

        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /**
         * @throws IllegalArgumentException if a value is out of range or two exclude each other, by transformers' names
         */
        public GenerationConfig build() {
            return new GenerationConfig(
                    maxNewTokens,
                    maxLength,
                    minNewTokens,
                    doSample,
                    temperature,
                    topK,
                    topP,
                    minP,
                    repetitionPenalty,
                    noRepeatNgramSize,
                    numBeams,
                    lengthPenalty,
                    earlyStopping,
                    numReturnSequences,
                    eosTokenIds,
                    bosTokenId,
                    padTokenId,
                    stopStrings,
                    seed);
        }
    }
}
