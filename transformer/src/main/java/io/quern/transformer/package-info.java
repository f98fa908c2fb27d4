/**
 * What all transformers share: the contract of a causal language model, its configuration, token batches and the cache of
 * keys and values. The models themselves are pages in {@link io.quern.transformer.model}.
 */
package io.quern.transformer;
