package io.quern.transformer.generate;

import io.quern.tensor.TensorException;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.text.Tokenizer;

/**
 * Generates text: greedy, by sampling or by beam search, with the semantics of transformers' {@code generate}.
 *
 * <pre>{@code
 * Generator generator = new Generator(model, tokenizer);
 * GenerationConfig config = GenerationConfig.builder().maxNewTokens(40).doSample(true).seed(7).build();
 * String text = generator.generate(GenerationRequest.of(tokenizer.encode("ROMEO:"), config)).first().text();
 * }</pre>
 *
 * <p>Several threads may generate at once, with one generator or several over the same model: each generation has a cache of
 * its own, and nothing else changes. They share the processor's threads, so together they are hardly faster than one after the
 * other. The model and the tokenizer stay their makers', who close the model when no generation runs.
 */
public final class Generator {
    private final CausalLanguageModel model;
    private final Tokenizer tokenizer;

    /**
     * @param tokenizer turns tokens into text; null where only tokens matter
     */
    public Generator(CausalLanguageModel model, Tokenizer tokenizer) {
        this.model = model;
        this.tokenizer = tokenizer;
    }

    /**
     * Runs a request. If it is cancelled, the result has what there was by then.
     *
     * @throws TensorException if the prompt does not fit the model or leaves no room in its context
     */
    public GenerationResult generate(GenerationRequest request) {
        GenerationConfig config = request.config();
        if (tokenizer == null && !config.stopStrings().isEmpty()) {
            throw new IllegalArgumentException("stop_strings need a tokenizer, for they are compared with text");
        }
        int[] prompt = prompt(request);
        int limit = newTokenLimit(prompt.length, config);
        return config.numBeams() > 1
                ? new BeamSearch(model, tokenizer, request, prompt, limit).run()
                : new Continuation(model, tokenizer, request, prompt, limit).run();
    }

    private int[] prompt(GenerationRequest request) {
        int[] prompt = request.prompt();
        if (prompt.length == 0) {
            int bos = request.config()
                    .bosTokenId()
                    .orElseThrow(() -> new TensorException(
                            "the prompt is empty, and the model has no begin token to stand for it; give a prompt"));
            prompt = new int[] {bos};
        }
        for (int i = 0; i < prompt.length; i++) {
            if (prompt[i] < 0 || prompt[i] >= model.vocabSize()) {
                throw new TensorException("token " + prompt[i] + " at position " + i
                        + " of the prompt is outside the model's vocabulary of " + model.vocabSize());
            }
        }
        return prompt;
    }

    private int newTokenLimit(int promptTokens, GenerationConfig config) {
        int context = model.contextLength();
        if (promptTokens > context) {
            throw new TensorException("the prompt has " + promptTokens + " tokens, but the model's context is "
                    + context + "; shorten the prompt");
        }
        if (promptTokens == context) {
            throw new TensorException("the prompt fills the model's context of " + context
                    + " tokens and leaves no room for new ones; shorten the prompt");
        }
        int wanted = config.newTokenLimit(promptTokens);
        if (wanted < 1) {
            throw new TensorException("max_length " + config.maxLength().orElse(0)
                    + " leaves no room for new tokens after a prompt of " + promptTokens + "; set max_new_tokens");
        }
        return Math.min(wanted, context - promptTokens);
    }
}
