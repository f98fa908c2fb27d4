/**
 * Text to token ids and back: reading and writing of Hugging Face tokenizer files, byte-level BPE and its trainer, WordPiece, and
 * decoding as a stream. Enter through {@link io.quern.transformer.text.Tokenizer} and
 * {@link io.quern.transformer.text.BpeTrainer}; all other types are package-private or come out of these two.
 *
 * <p>How a text travels: {@code AddedTokens} cuts added and special tokens out of it, the normalizer (if any) and the
 * {@code SubwordModel} turn each stretch in between into ids, and special tokens are put around the whole. A further
 * kind of model is a {@code SubwordModel} and a case in {@code TokenizerJson}.
 */
package io.quern.transformer.text;
