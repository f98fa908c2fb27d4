package io.quern.cuda;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;

/** The strides by which a kernel walks over up to three operands, as the {@code Walk} of {@code common.cuh}. */
final class Walk {
    static final int MAX_RANK = 8;
    private static final int OPERANDS = 3;

    private final int[] dims;
    private final long[][] strides;
    private int rank;

    private Walk(int capacity) {
        dims = new int[capacity];
        strides = new long[OPERANDS][capacity];
    }

    /** Over all elements of {@code shape}; operand i has {@code strides[i]}, of its rank. */
    static long[] over(int[] shape, long[]... strides) {
        Walk w = new Walk(shape.length);
        for (int d = 0; d < shape.length; d++) {
            w.add(shape[d], d, strides);
        }
        return w.members();
    }

    /** Over all elements of {@code shape}, to which the operands broadcast. */
    static long[] broadcast(Shape shape, Tensor... operands) {
        long[][] s = new long[operands.length][];
        for (int i = 0; i < s.length; i++) {
            s[i] = broadcastStrides(operands[i], shape);
        }
        return over(shape.dims(), s);
    }

    /** Strides of a tensor seen in a larger shape: 0 where it repeats. */
    static long[] broadcastStrides(Tensor t, Shape shape) {
        long[] s = new long[shape.rank()];
        int extra = shape.rank() - t.shape().rank();
        for (int d = extra; d < s.length; d++) {
            s[d] = t.dim(d - extra) == 1 ? 0 : t.strides()[d - extra];
        }
        return s;
    }

    /** Joins the dimension to the one outside it where the strides of all operands allow. */
    private void add(int dim, int d, long[][] of) {
        if (dim == 1) {
            return;
        }
        boolean joins = rank > 0 && (long) dims[rank - 1] * dim <= Integer.MAX_VALUE;
        for (int i = 0; joins && i < of.length; i++) {
            joins = strides[i][rank - 1] == of[i][d] * dim;
        }
        int at = joins ? rank - 1 : rank++;
        dims[at] = joins ? dims[at] * dim : dim;
        for (int i = 0; i < of.length; i++) {
            strides[i][at] = of[i][d];
        }
    }

    private long[] members() {
        if (rank > MAX_RANK) {
            throw new TensorException("views of more than " + MAX_RANK
                    + " dimensions that cannot be joined have no CUDA kernel; copy() them first");
        }
        long[] m = new long[1 + MAX_RANK * (1 + OPERANDS)];
        m[0] = rank;
        for (int d = 0; d < MAX_RANK; d++) {
            m[1 + d] = d < rank ? dims[d] : 1;
            for (int i = 0; i < OPERANDS; i++) {
                m[1 + MAX_RANK * (1 + i) + d] = d < rank ? strides[i][d] : 0;
            }
        }
        return m;
    }
}
