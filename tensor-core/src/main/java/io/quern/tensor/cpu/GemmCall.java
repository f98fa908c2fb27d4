package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.TensorException;

/**
 * One product C[m, n] (+)= A[m, k] B[k, n] (+ bias[n]) off-heap: addresses in bytes, strides in elements, A, C and bias
 * in f32, B in f32, bf16,
 * f16 or quantised (its columns packed in blocks, so that bRow is 1). A bias of 0 means none.
 */
record GemmCall(
        int m,
        int n,
        int k,
        long a,
        long aRow,
        long aCol,
        DType type,
        long b,
        long bRow,
        long bCol,
        long c,
        long ldc,
        long bias,
        boolean accumulate) {

    GemmCall {
        if (m < 0 || n < 0 || k < 0) {
            throw new IllegalArgumentException(
                    "matrix product: sizes must not be negative, found m " + m + ", n " + n + ", k " + k);
        }
        if (type.isQuantized()) {
            if (bRow != 1 || k % type.blockSize() != 0 || n > 1 && bCol % type.blockSize() != 0) {
                throw new TensorException("matrix product: the columns of " + type
                        + " weights must be whole blocks of " + type.blockSize() + ", found k " + k + ", strides "
                        + bRow + " and " + bCol);
            }
        } else if (type != DType.F32 && type != DType.BF16 && type != DType.F16) {
            throw new TensorException("matrix product: weights must be F32, BF16, F16 or quantised, found " + type
                    + "; convert them first");
        }
        if (ldc < n && m > 1) {
            throw new IllegalArgumentException(
                    "matrix product: rows of the result overlap: " + n + " columns, but rows " + ldc + " apart");
        }
    }

    /** The same product on other matrices, for a batch. */
    GemmCall at(long otherA, long otherB, long otherC) {
        return new GemmCall(m, n, k, otherA, aRow, aCol, type, otherB, bRow, bCol, otherC, ldc, bias, accumulate);
    }

    long aAt(long i, long p) {
        return a + Float.BYTES * (i * aRow + p * aCol);
    }

    /** Of a quantised B, the block that begins with this element. */
    long bAt(long p, long j) {
        long element = p * bRow + j * bCol;
        return b + (type.isQuantized() ? element / type.blockSize() * type.blockBytes() : element * type.bytes());
    }

    /** Bytes from a column of B to the next. */
    long bStep() {
        return type.isQuantized() ? bCol / type.blockSize() * type.blockBytes() : bCol * type.bytes();
    }

    long cAt(long i, long j) {
        return c + Float.BYTES * (i * ldc + j);
    }

    /** Multiplications, each with an addition. */
    long products() {
        return (long) m * n * k;
    }
}
