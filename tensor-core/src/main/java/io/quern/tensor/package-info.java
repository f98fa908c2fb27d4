/**
 * Tensors, their memory and their gradients.
 *
 * <p>A {@link io.quern.tensor.Tensor} is a handle on a region of a device buffer. Every operation is a record in
 * {@link io.quern.tensor.op} and passes one place, the package-private {@code Engine}, which checks shapes, packs views
 * where a kernel needs it, allocates the result in the current {@link io.quern.tensor.Scope}, runs the backend and
 * records the operation on the current {@link io.quern.tensor.Tape}.
 */
package io.quern.tensor;
