/**
 * Text generation with the semantics of transformers' {@code generate}: greedy decoding, sampling and beam search. Enter
 * through {@link io.quern.transformer.generate.Generator}. A new sampling rule is a
 * {@link io.quern.transformer.generate.LogitsProcessor}.
 */
package io.quern.transformer.generate;
