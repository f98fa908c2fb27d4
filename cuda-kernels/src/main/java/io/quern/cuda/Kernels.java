package io.quern.cuda;

import io.quern.cuda.driver.BlockSizes;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;

/** Names and grids of kernels. */
final class Kernels {
    /** Threads of a block that treats elements alone. */
    static final int THREADS = 256;

    /** Threads of a block that reduces: BLOCK of {@code common.cuh}. */
    static final int REDUCING = 128;

    private Kernels() {}

    /** The name of a kernel for a dtype, such as {@code softmax_f32}. */
    static String named(String kernel, DType dtype) {
        return kernel + "_" + suffix(dtype);
    }

    static String suffix(DType dtype) {
        return switch (dtype) {
            case F32 -> "f32";
            case F64 -> "f64";
            case BF16 -> "bf16";
            case F16 -> "f16";
            case I32 -> "i32";
            case Q8_0, Q4_0, Q4_K, Q6_K -> throw unsupported(dtype);
        };
    }

    /** How names of kernels write a quantised dtype, such as {@code q8_0}. */
    static String blocks(DType quantized) {
        return quantized.name().toLowerCase(java.util.Locale.ROOT);
    }

    /** The name of a kernel that moves elements of a size. */
    static String sized(String kernel, DType dtype) {
        if (dtype.isQuantized()) {
            throw unsupported(dtype);
        }
        return kernel + "_b" + dtype.bytes();
    }

    static TensorException unsupported(DType dtype) {
        return new TensorException("CUDA has no kernel for " + dtype + " here; cast to " + dtype
                + " on the CPU and move the tensor, or use --device cpu");
    }

    /** Bytes of a number that a sum of such elements is kept in. */
    static int sumBytes(DType dtype) {
        return dtype == DType.F64 ? Double.BYTES : Float.BYTES;
    }

    /** Blocks for {@code n} elements. */
    static long blocks(long n) {
        return Math.min((n + THREADS - 1) / THREADS, BlockSizes.MOST_BLOCKS);
    }

    /** Blocks for {@code n} rows, a block a row. */
    static long rows(long n) {
        return Math.min(n, BlockSizes.MOST_BLOCKS);
    }

    /** The address of an operand that may be absent. */
    static long address(Tensor t) {
        return t == null ? 0 : t.address();
    }
}
