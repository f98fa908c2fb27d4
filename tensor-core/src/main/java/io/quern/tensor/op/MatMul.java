package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.List;

/**
 * Matrix product a [..., M, K] times b [..., K, N], plus an optional bias [N]: [..., M, N]. The outer dimensions
 * broadcast; a transposed operand is a view, which the kernels read as it is.
 *
 * <p>A weight b [K, N] may be narrower than a: BF16, F16 or quantised, with a, the bias and the result in F32 (F64 for
 * references). The blocks of a quantised weight lie along K, so it is the transpose of a packed [N, K]; it has no gradient.
 */
public record MatMul(Tensor a, Tensor b, Tensor bias) implements Op {
    @Override
    public String name() {
        return "matmul";
    }

    @Override
    public List<Tensor> inputs() {
        return asList(a, b, bias);
    }

    @Override
    public Layout layout(int i) {
        return i == 2 ? Layout.PACKED : Layout.MATRIX;
    }

    @Override
    public List<Spec> outputs() {
        Checks.floating(name(), a);
        if (a.dtype() != b.dtype()) {
            checkWeight();
        }
        Checks.atLeastRank(name(), 2, a);
        Checks.atLeastRank(name(), 2, b);
        int k = a.shape().dim(-1);
        if (k != b.shape().dim(-2)) {
            throw Checks.error(
                    name(),
                    "inner dimensions must agree: " + k + " and " + b.shape().dim(-2),
                    a,
                    b);
        }
        int n = b.shape().dim(-1);
        Checks.vector(name(), "the bias", n, bias, a);
        int rank = Math.max(a.shape().rank(), b.shape().rank());
        int[] dims = new int[rank];
        for (int i = 3; i <= rank; i++) {
            int p = i > a.shape().rank() ? 1 : a.shape().dim(-i);
            int q = i > b.shape().rank() ? 1 : b.shape().dim(-i);
            if (p != q && p != 1 && q != 1) {
                throw Checks.error(name(), "outer dimensions do not broadcast", a, b);
            }
            dims[rank - i] = p == 1 ? q : p;
        }
        dims[rank - 2] = a.shape().dim(-2);
        dims[rank - 1] = n;
        return List.of(new Spec(Shape.of(dims), a.dtype()));
    }

    private void checkWeight() {
        DType wide = a.dtype();
        DType type = b.dtype();
        boolean narrower = type == DType.BF16 || type == DType.F16 || type.isQuantized();
        if (!narrower || wide != DType.F32 && wide != DType.F64) {
            throw Checks.error(
                    name(), "dtypes must agree, or be F32 times a BF16, F16 or quantised weight (cast one)", a, b);
        }
        Checks.rank(name(), 2, b);
        if (type.isQuantized() && b.stride(0) != 1) {
            throw Checks.error(
                    name(), "the blocks of a quantised weight must lie along K: pass the transpose of [N, K]", a, b);
        }
    }

    @Override
    public boolean takesQuantized(int i) {
        return i == 1;
    }

    @Override
    public Saves saves() {
        return b.dtype().isQuantized() ? Saves.inputs(1) : Saves.inputs(0, 1);
    }

    @Override
    public List<Tensor> gradient(Backward back) {
        Tensor dy = back.gradient(0);
        int n = dy.shape().dim(-1);
        Tensor da = null;
        Tensor db = null;
        Tensor dbias = back.wants(2) ? dy.sumTo(Shape.of(n)) : null;
        if (back.wants(0)) {
            Tensor bt = b.transpose(-1, -2);
            da = dy.matmul(bt.dtype().isQuantized() ? bt.cast(dy.dtype()) : bt).sumTo(a.shape());
        }
        if (back.wants(1)) {
            if (b.dtype().isQuantized()) {
                throw Checks.quantizedHasNoGradient(name(), b);
            }
            db = weightGradient(dy);
        }
        return asList(da, db, dbias);
    }

    private Tensor weightGradient(Tensor dy) {
        if (b.shape().rank() != 2) {
            return a.transpose(-1, -2).matmul(dy).sumTo(b.shape()).cast(b.dtype());
        }
        // With one matrix for the whole batch the sum over the batch is part of the product. It is laid out as b is:
        // what
        // comes out packed for a linear layer's weight need not be packed again to be added up or to update the weight.
        if (b.isPacked() || !b.transpose(0, 1).isPacked()) {
            return rows(a).transpose(0, 1).matmul(rows(dy)).cast(b.dtype());
        }
        return rows(dy).transpose(0, 1).matmul(rows(a)).cast(b.dtype()).transpose(0, 1);
    }

    private static Tensor rows(Tensor t) {
        int inner = t.shape().dim(-1);
        int rows = 1;
        for (int i = 0; i < t.shape().rank() - 1; i++) {
            rows *= t.shape().dim(i);
        }
        return t.reshape(rows, inner);
    }

    @Override
    public long flops() {
        return 2 * outputs().getFirst().shape().size() * a.shape().dim(-1);
    }
}
