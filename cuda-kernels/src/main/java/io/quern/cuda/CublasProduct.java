package io.quern.cuda;

import io.quern.cuda.driver.Cublas;
import io.quern.cuda.driver.Cublas.Operand;
import io.quern.tensor.Tensor;

/** A matrix product as cuBLAS takes it: it counts columns first, so it computes the transpose of c as that of b times that of a. */
final class CublasProduct {
    private CublasProduct() {}

    /** The call, or null if cuBLAS cannot do it: operands of two dtypes, strides without a pattern. */
    static Cublas.Call of(MatMulProblem p, Tensor bias, Tensor c) {
        if (!p.sameDtypes() || p.k() == 0 || Math.max(p.m(), Math.max(p.n(), p.k())) > Integer.MAX_VALUE) {
            return null;
        }
        long aBatch = batchStride(p.outer(), p.aOuter());
        long bBatch = batchStride(p.outer(), p.bOuter());
        Operand left = operand(p.b(), p.k(), p.n(), p.bRow(), bBatch);
        Operand right = operand(p.a(), p.m(), p.k(), p.aRow(), aBatch);
        if (aBatch < 0 || bBatch < 0 || left == null || right == null) {
            return null;
        }
        return new Cublas.Call(
                c.dtype(),
                (int) p.n(),
                (int) p.m(),
                (int) p.k(),
                left,
                right,
                c.address(),
                (int) p.batch(),
                bias != null);
    }

    /** The distance of one matrix of a batch to the next, or -1 if it is not always the same. */
    private static long batchStride(int[] outer, long[] strides) {
        long stride = 0;
        long covered = 1;
        boolean started = false;
        for (int d = outer.length - 1; d >= 0; d--) {
            if (outer[d] == 1) {
                continue;
            }
            if (!started) {
                stride = strides[d];
                started = true;
            } else if (strides[d] != stride * covered) {
                return -1;
            }
            covered *= outer[d];
        }
        return stride;
    }

    /** A row-major matrix is, column by column, its transpose without any more transposing. */
    private static Operand operand(Tensor t, long rows, long cols, long rowStride, long batchStride) {
        long colStride = t.stride(-1);
        if ((cols == 1 || colStride == 1) && (rows == 1 || rowStride >= cols)) {
            return leading(t, false, rows == 1 ? cols : rowStride, batchStride);
        }
        if ((rows == 1 || rowStride == 1) && (cols == 1 || colStride >= rows)) {
            return leading(t, true, cols == 1 ? rows : colStride, batchStride);
        }
        return null;
    }

    private static Operand leading(Tensor t, boolean transposed, long leading, long batchStride) {
        return leading > Integer.MAX_VALUE ? null : new Operand(t.address(), transposed, leading, batchStride);
    }
}
