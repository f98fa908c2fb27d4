package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Operations that combine elements along dimensions. */
public sealed interface Reduce extends Op {

    enum Kind {
        SUM,
        MEAN,
        /** Ties share the gradient evenly. */
        MAX,
        MIN;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Reduces the given axes (non-negative, ascending, without repetition), which stay in the result with size 1. The sum
     * of no elements is 0; mean, max and min of none are an error.
     */
    record Axes(Kind kind, Tensor x, List<Integer> axes) implements Reduce {
        @Override
        public String name() {
            return kind.label();
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public List<Spec> outputs() {
            Checks.floating(name(), x);
            int[] dims = x.shape().dims();
            for (int a : axes) {
                if (dims[a] == 0 && kind != Kind.SUM) {
                    throw Checks.error(name(), "axis " + a + " is empty, which leaves nothing to reduce", x);
                }
                dims[a] = 1;
            }
            return List.of(new Spec(Shape.of(dims), x.dtype()));
        }

        @Override
        public Saves saves() {
            return switch (kind) {
                case SUM, MEAN -> Saves.NONE;
                case MAX, MIN -> Saves.inputs(0).andOutputs(0);
            };
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            Tensor dy = b.gradient(0);
            return asList(
                    switch (kind) {
                        case SUM -> dy.expand(x.shape());
                        case MEAN ->
                            dy.scale((double) dy.shape().size() / x.shape().size())
                                    .expand(x.shape());
                        case MAX, MIN -> {
                            Tensor hit = Tensor.run(new Elementwise.Compare(Elementwise.CompareKind.EQ, x, b.output(0)))
                                    .cast(x.dtype());
                            Tensor ties = Tensor.run(new Axes(Kind.SUM, hit, axes));
                            yield hit.mul(dy.div(ties));
                        }
                    });
        }

        @Override
        public long flops() {
            return x.shape().size();
        }
    }

    /** Index of the largest element along the innermost dimension, the first of equals: I32, without that dimension. */
    record ArgMax(Tensor x) implements Reduce {
        @Override
        public String name() {
            return "argmax";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public List<Spec> outputs() {
            Checks.atLeastRank(name(), 1, x);
            if (x.shape().dim(-1) == 0) {
                throw Checks.error(name(), "the innermost dimension is empty", x);
            }
            int[] dims = x.shape().dims();
            return List.of(new Spec(Shape.of(java.util.Arrays.copyOf(dims, dims.length - 1)), DType.I32));
        }

        @Override
        public long flops() {
            return x.shape().size();
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }
    }

    /**
     * The k largest elements along the innermost dimension, best first, of equal ones the first; NaN counts as largest.
     * Results: the values, and their indices (I32), both with k in the place of that dimension.
     */
    record TopK(Tensor x, int k) implements Reduce {
        @Override
        public String name() {
            return "topk";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public List<Spec> outputs() {
            Checks.atLeastRank(name(), 1, x);
            if (k < 1 || k > x.shape().dim(-1)) {
                throw Checks.error(name(), "k is from 1 to the innermost dimension, not " + k, x);
            }
            Shape shape = x.shape().with(x.shape().rank() - 1, k);
            return List.of(new Spec(shape, x.dtype()), new Spec(shape, DType.I32));
        }

        @Override
        public long flops() {
            return x.shape().size();
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }
    }

    /** Softmax over the innermost dimension, or its logarithm; a row of nothing but -inf gives NaN. */
    record Softmax(Tensor x, boolean log) implements Reduce {
        @Override
        public String name() {
            return log ? "log_softmax" : "softmax";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public List<Spec> outputs() {
            Checks.floating(name(), x);
            Checks.atLeastRank(name(), 1, x);
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE.andOutputs(0);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(Tensor.run(new SoftmaxGrad(b.output(0), b.gradient(0), log)));
        }

        @Override
        public long flops() {
            return 5 * x.shape().size();
        }
    }

    /** From the result y: dx = y * (dy - sum(dy * y)); for the logarithm dx = dy - exp(y) * sum(dy). */
    record SoftmaxGrad(Tensor y, Tensor dy, boolean log) implements Reduce {
        @Override
        public String name() {
            return log ? "log_softmax_grad" : "softmax_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(y, dy);
        }

        @Override
        public List<Spec> outputs() {
            Checks.sameShape(name(), y, dy);
            Checks.sameDType(name(), y, dy);
            return List.of(new Spec(y.shape(), y.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }

        @Override
        public long flops() {
            return 4 * y.shape().size();
        }
    }

    /** Sum of the squares of all elements of all operands, accumulated in float64: F64 scalar. For global norms. */
    record SquaredNorm(List<Tensor> xs) implements Reduce {
        @Override
        public String name() {
            return "squared_norm";
        }

        @Override
        public List<Tensor> inputs() {
            return new ArrayList<>(xs);
        }

        @Override
        public List<Spec> outputs() {
            for (Tensor x : xs) {
                Checks.floating(name(), x);
            }
            return List.of(new Spec(Shape.of(), DType.F64));
        }

        @Override
        public long flops() {
            return 2 * xs.stream().mapToLong(Tensor::size).sum();
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }
    }
}
