package io.quern.cli;

import io.quern.transformer.generate.EarlyStopping;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.hub.ModelDir;
import java.security.SecureRandom;
import java.util.List;
import java.util.function.Consumer;
import picocli.CommandLine.Option;

/** How to decode; what is not given comes from the model's {@code generation_config.json}. */
final class GenerationOptions {
    /** No token has this id, so a text that it ends goes on. */
    private static final int NO_TOKEN = -1;

    @Option(
            names = {"-n", "--max-new-tokens"},
            paramLabel = "N",
            description =
                    "Tokens to generate at most. Default: as the model's generation_config.json says, like that of"
                            + " all these options.")
    Integer maxNewTokens;

    @Option(
            names = {"--min-new-tokens"},
            paramLabel = "N",
            description = "Tokens before the end token is allowed.")
    Integer minNewTokens;

    @Option(
            names = {"--eos-token-id"},
            paramLabel = "ID",
            split = ",",
            description = "Tokens that end the text; -1 for none.")
    List<Integer> eosTokenIds;

    @Option(
            names = {"--greedy"},
            description = "Take the most likely token each time.")
    boolean greedy;

    @Option(
            names = {"--sample"},
            description = "Draw from the distribution; implied by --temperature, --top-k, --top-p and --min-p.")
    boolean sample;

    @Option(
            names = {"--beams"},
            paramLabel = "N",
            description = "Beam search with N beams.")
    Integer beams;

    @Option(
            names = {"--length-penalty"},
            paramLabel = "X",
            description = "Beam scores are divided by length^X.")
    Double lengthPenalty;

    @Option(
            names = {"--early-stopping"},
            paramLabel = "true|false|never",
            description = "When a beam search may end.")
    String earlyStopping;

    @Option(
            names = {"--num-return"},
            paramLabel = "N",
            description = "Sequences to return.")
    Integer numReturn;

    @Option(
            names = {"--no-repeat-ngram"},
            paramLabel = "N",
            description = "Never repeat a sequence of N tokens.")
    Integer noRepeatNgram;

    @Option(
            names = {"--temperature"},
            paramLabel = "X",
            description = "Divide the logits by X before sampling.")
    Double temperature;

    @Option(
            names = {"--top-k"},
            paramLabel = "N",
            description = "Sample from the N most likely tokens; 0 switches it off.")
    Integer topK;

    @Option(
            names = {"--top-p"},
            paramLabel = "X",
            description = "Sample from the smallest set of tokens with probability X.")
    Double topP;

    @Option(
            names = {"--min-p"},
            paramLabel = "X",
            description = "Sample from tokens with at least X times the largest probability.")
    Double minP;

    @Option(
            names = {"--repetition-penalty"},
            paramLabel = "X",
            description = "Make tokens that have occurred less likely; 1 switches it off.")
    Double repetitionPenalty;

    @Option(
            names = {"--seed"},
            paramLabel = "N",
            description = "Seed of the sampling: same seed, same text. Default: a new one each time.")
    Long seed;

    @Option(
            names = {"--stop"},
            paramLabel = "TEXT",
            description = "End before this text; may be given several times.")
    List<String> stop = List.of();

    /**
     * The model's own configuration with what the command line says.
     *
     * @throws Errors.UsageException if values are out of range or exclude each other
     */
    GenerationConfig config(ModelDir model) {
        if (greedy && (samples() || beams != null && beams > 1)) {
            throw new Errors.UsageException("--greedy excludes sampling and --beams");
        }
        GenerationConfig.Builder b = model.generationConfig().toBuilder();
        if (greedy || beams != null) {
            b.doSample(false);
        }
        if (greedy) {
            b.numBeams(1);
        }
        if (samples()) {
            b.doSample(true);
        }
        set(maxNewTokens, b::maxNewTokens);
        set(minNewTokens, b::minNewTokens);
        set(eosTokenIds, b::eosTokenIds);
        set(beams, b::numBeams);
        set(lengthPenalty, b::lengthPenalty);
        set(numReturn, b::numReturnSequences);
        set(noRepeatNgram, b::noRepeatNgramSize);
        set(temperature, b::temperature);
        set(topK, b::topK);
        set(topP, b::topP);
        set(minP, b::minP);
        set(repetitionPenalty, b::repetitionPenalty);
        b.seed(seed != null ? seed : new SecureRandom().nextInt() & 0xFFFFFFFFL);
        if (!stop.isEmpty()) {
            b.stopStrings(stop);
        }
        try {
            if (earlyStopping != null) {
                b.earlyStopping(EarlyStopping.parse(earlyStopping));
            }
            GenerationConfig config = b.build();
            check(config, model.config().vocabSize());
            return config;
        } catch (IllegalArgumentException e) {
            throw new Errors.UsageException(asOptions(e.getMessage()));
        }
    }

    /** What the configuration itself allows, as transformers does, but nobody can mean who types it. */
    private void check(GenerationConfig config, int vocabulary) {
        if (config.numBeams() == 1 && (lengthPenalty != null || earlyStopping != null)) {
            throw new Errors.UsageException((lengthPenalty != null ? "--length-penalty" : "--early-stopping")
                    + " is for beam search; add --beams N");
        }
        if (maxNewTokens != null && minNewTokens != null && minNewTokens > maxNewTokens) {
            throw new Errors.UsageException(
                    "--min-new-tokens " + minNewTokens + " is more than --max-new-tokens " + maxNewTokens);
        }
        for (int id : eosTokenIds == null ? List.<Integer>of() : eosTokenIds) {
            if (id < NO_TOKEN || id >= vocabulary) {
                throw new Errors.UsageException(
                        "--eos-token-id " + id + " is outside the model's vocabulary of " + vocabulary);
            }
        }
    }

    private boolean samples() {
        return sample || temperature != null || topK != null || topP != null || minP != null;
    }

    private static <T> void set(T value, Consumer<T> setter) {
        if (value != null) {
            setter.accept(value);
        }
    }

    /** The configuration speaks of transformers' names; people here know the options. */
    private static String asOptions(String message) {
        String hint = message.startsWith("temperature") && message.endsWith("not 0.0")
                ? "; --greedy takes the most likely token each time"
                : "";
        return message.replace("num_return_sequences", "--num-return")
                .replace("num_beams", "--beams")
                .replace("no_repeat_ngram_size", "--no-repeat-ngram")
                .replace("max_new_tokens", "--max-new-tokens")
                .replace("min_new_tokens", "--min-new-tokens")
                .replace("repetition_penalty", "--repetition-penalty")
                .replace("length_penalty", "--length-penalty")
                .replace("early_stopping", "--early-stopping")
                .replace("do_sample", "--sample")
                .replace("stop_strings", "--stop")
                .replace("temperature", "--temperature")
                .replace("top_k", "--top-k")
                .replace("top_p", "--top-p")
                .replace("min_p", "--min-p")
                .concat(hint);
    }
}
