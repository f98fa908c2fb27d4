/**
 * Vectors for texts, and search by them: {@code TextEmbedder} runs sentence-transformers models, {@code PassageSplitter}
 * cuts files, {@code EmbeddingIndex} holds the vectors of passages and finds the nearest.
 */
package io.quern.transformer.embed;
