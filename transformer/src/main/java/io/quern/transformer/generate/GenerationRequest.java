package io.quern.transformer.generate;

import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;

/**
 * What to generate.
 *
 * @param prompt token ids; empty stands for the begin token
 * @param config how to decode
 * @param processors custom ones, which run after the penalties and before the filters of sampling
 * @param listener follows the generation
 * @param cancelled asked before every step; true ends the generation with what there is
 */
public record GenerationRequest(
        int[] prompt,
        GenerationConfig config,
        List<LogitsProcessor> processors,
        GenerationListener listener,
        BooleanSupplier cancelled) {
    public GenerationRequest {
        Objects.requireNonNull(prompt, "prompt");
        Objects.requireNonNull(config, "config");
        processors = List.copyOf(processors);
        Objects.requireNonNull(listener, "listener");
        Objects.requireNonNull(cancelled, "cancelled");
    }

    public static GenerationRequest of(int[] prompt, GenerationConfig config) {
        return new GenerationRequest(prompt, config, List.of(), GenerationListener.NONE, () -> false);
    }

    public GenerationRequest withProcessors(List<LogitsProcessor> custom) {
        return new GenerationRequest(prompt, config, custom, listener, cancelled);
    }

    public GenerationRequest withListener(GenerationListener follower) {
        return new GenerationRequest(prompt, config, processors, follower, cancelled);
    }

    public GenerationRequest withCancellation(BooleanSupplier when) {
        return new GenerationRequest(prompt, config, processors, listener, when);
    }
}
