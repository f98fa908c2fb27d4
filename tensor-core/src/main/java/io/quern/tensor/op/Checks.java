package io.quern.tensor.op;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.List;

/** The rules that several operations share, with their errors in one voice. */
final class Checks {
    private Checks() {}

    static TensorException error(String op, String rule, Tensor... operands) {
        StringBuilder s = new StringBuilder(op).append(": ").append(rule).append("; got ");
        for (int i = 0; i < operands.length; i++) {
            s.append(i == 0 ? "" : ", ").append(operands[i] == null ? "none" : operands[i].describe());
        }
        return new TensorException(s.toString());
    }

    static void floating(String op, Tensor t) {
        if (!t.dtype().isFloating()) {
            throw error(op, "needs floating-point numbers (cast first)", t);
        }
    }

    static void dtype(String op, DType wanted, Tensor t) {
        if (t.dtype() != wanted) {
            throw error(op, "needs " + wanted, t);
        }
    }

    static void sameDType(String op, Tensor a, Tensor b) {
        if (b != null && a.dtype() != b.dtype()) {
            throw error(op, "dtypes must agree (cast one)", a, b);
        }
    }

    static void sameShape(String op, Tensor a, Tensor b) {
        if (!a.shape().equals(b.shape())) {
            throw error(op, "shapes must be equal", a, b);
        }
    }

    static void rank(String op, int rank, Tensor t) {
        if (t.shape().rank() != rank) {
            throw error(op, "needs a tensor of rank " + rank, t);
        }
    }

    static void atLeastRank(String op, int rank, Tensor t) {
        if (t.shape().rank() < rank) {
            throw error(op, "needs a tensor of rank " + rank + " or more", t);
        }
    }

    /** An optional vector of the given length and of the dtype of {@code like}. */
    static void vector(String op, String what, int length, Tensor t, Tensor like) {
        if (t != null && !(t.shape().rank() == 1 && t.shape().dim(0) == length && t.dtype() == like.dtype())) {
            throw error(op, what + " must be " + like.dtype() + " [" + length + "]", t, like);
        }
    }

    /** The shape that both broadcast to: sizes are equal or one of them is 1, aligned at the innermost dimension. */
    static Shape broadcast(String op, Tensor a, Tensor b) {
        Shape s = a.shape();
        Shape t = b.shape();
        int rank = Math.max(s.rank(), t.rank());
        int[] dims = new int[rank];
        for (int i = 1; i <= rank; i++) {
            int p = i > s.rank() ? 1 : s.dim(-i);
            int q = i > t.rank() ? 1 : t.dim(-i);
            if (p != q && p != 1 && q != 1) {
                throw error(op, "shapes do not broadcast: dimension " + -i + " is " + p + " and " + q, a, b);
            }
            dims[rank - i] = p == 1 ? q : p;
        }
        return Shape.of(dims);
    }

    static TensorException quantizedHasNoGradient(String op, Tensor weight) {
        return new TensorException(op + ": a quantised weight has no gradient; got " + weight.describe()
                + ": freeze it, or cast it to F32");
    }

    static List<Tensor> noGradient(String op) {
        throw new TensorException(
                op + " has no gradient: second derivatives and in-place updates cannot be recorded; use Tape.noGrad");
    }
}
