/**
 * Files of weights, memory-mapped and checked before anything in them is trusted: a broken or lying file gives a
 * {@link io.quern.tensor.TensorException} that names the file and the tensor.
 */
package io.quern.tensor.file;
