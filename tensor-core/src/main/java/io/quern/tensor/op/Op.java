package io.quern.tensor.op;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.List;

/**
 * One operation with its operands: the call, the tape's node and the backend's case are this one object. Everything that
 * is known about an operation is written here once; kernels are the backends'.
 */
public sealed interface Op
        permits Elementwise, Reduce, MatMul, Norm, Attention, Conv, Pool, Index, View, Loss, Update, CustomOp {

    /** What a kernel can take as an operand; the engine packs a view that does not fit. */
    enum Layout {
        /** Row-major without gaps. */
        PACKED,
        /** The innermost dimension has stride 1; outer strides are free. */
        ROWS,
        /** One of the two innermost dimensions has stride 1 and the other is free, as are the outer strides. */
        MATRIX,
        /** Any strides. */
        ANY
    }

    /** Shape and dtype of a result. */
    record Spec(Shape shape, DType dtype) {}

    /** Which operands and results the gradient reads, as bit masks by index; the tape keeps just these alive. */
    record Saves(int inputs, int outputs) {
        public static final Saves NONE = new Saves(0, 0);

        public static Saves inputs(int... indices) {
            return new Saves(mask(indices), 0);
        }

        public Saves andOutputs(int... indices) {
            return new Saves(inputs, mask(indices));
        }

        private static int mask(int... indices) {
            int m = 0;
            for (int i : indices) {
                m |= 1 << i;
            }
            return m;
        }
    }

    /** What {@link #gradient} is given. */
    interface Backward {
        /** Result {@code i} of the forward run; alive if saved. */
        Tensor output(int i);

        /** Gradient of the loss with respect to result {@code i}, of its shape; null if the loss does not depend on it. */
        Tensor gradient(int i);

        /** Whether a gradient with respect to operand {@code i} is wanted. */
        boolean wants(int i);
    }

    /** Name in errors, reports and kernels, such as {@code layer_norm}. */
    String name();

    /** Operands in a fixed order; an absent optional operand is null. */
    List<Tensor> inputs();

    /**
     * Checks the operands and states the results.
     *
     * @throws io.quern.tensor.TensorException naming the operation and the shapes, if they do not fit
     */
    List<Spec> outputs();

    /** How operand {@code i} must be laid out. */
    default Layout layout(int i) {
        return Layout.PACKED;
    }

    /** Whether operand {@code i} may be quantised. */
    default boolean takesQuantized(int i) {
        return false;
    }

    /** What the tape keeps for {@link #gradient}. */
    Saves saves();

    /**
     * Gradients with respect to the operands, in their order; null where none is wanted or none exists.
     *
     * @throws io.quern.tensor.TensorException if the operation has no gradient
     */
    List<Tensor> gradient(Backward b);

    /** Whether the gradient with respect to a result can be given to {@link #gradient}; other results are by-products. */
    default boolean hasGradient(int result) {
        return result == 0;
    }

    /** Floating-point operations of one run. */
    default long flops() {
        return outputs().isEmpty() ? 0 : outputs().getFirst().shape().size();
    }

    /** Bytes read and written by one run if every operand and result moves once. */
    default long bytes() {
        long n = 0;
        for (Tensor t : inputs()) {
            n += t == null ? 0 : t.dtype().bytes(t.shape().size());
        }
        for (Spec s : outputs()) {
            n += s.dtype().bytes(s.shape().size());
        }
        return n;
    }
}
