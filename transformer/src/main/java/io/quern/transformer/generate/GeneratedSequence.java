package io.quern.transformer.generate;

import java.util.OptionalDouble;

/**
 * A generated sequence.
 *
 * @param tokens the new ones, with the end token if there is one
 * @param text of the new tokens, without special tokens, the end token, and a stop string and what follows it; null where
 *     the generator has no tokenizer
 * @param score in beam search, transformers' {@code sequences_scores}: the sum of log probabilities divided by length to
 *     the length penalty; empty otherwise
 * @param finishReason why it ended
 */
public record GeneratedSequence(int[] tokens, String text, OptionalDouble score, FinishReason finishReason) {}
