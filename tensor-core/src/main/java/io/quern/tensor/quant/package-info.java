/**
 * Numbers in blocks that share a scale, bit for bit as GGUF files hold them. The formats and the way in which numbers
 * are rounded into them are those of the ggml library (ggml-common.h and ggml-quants.c, MIT licence), described here in
 * our own words and written anew.
 */
package io.quern.tensor.quant;
