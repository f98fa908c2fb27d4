/** The CUDA backend: a launcher a family of operations over the kernels of {@code io/quern/cuda/kernels}, memory, GEMM choice. */
package io.quern.cuda;
