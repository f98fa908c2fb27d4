package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.List;

/** Pooling of planes [N, C, H, W] to [N, C, rows.count(), columns.count()]. */
public sealed interface Pool extends Op {
    /** Windows along H. */
    Windows rows();

    /** Windows along W. */
    Windows columns();

    @Override
    default long flops() {
        return outputs().getFirst().shape().size()
                * rows().longest()
                * columns().longest();
    }

    /**
     * The largest element of each window; NaN if one is. Results: y, and where each lies in its plane, h * W + w (I32):
     * the first of equal ones.
     */
    record Max(Tensor x, Windows rows, Windows columns) implements Pool {
        @Override
        public String name() {
            return "max_pool2d";
        }

        @Override
        public List<Tensor> inputs() {
            return List.of(x);
        }

        @Override
        public List<Spec> outputs() {
            Shape y = pooled(this, x);
            return List.of(new Spec(y, x.dtype()), new Spec(y, DType.I32));
        }

        @Override
        public Saves saves() {
            return Saves.NONE.andOutputs(1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(Tensor.run(new MaxGrad(b.gradient(0), b.output(1), rows, columns)));
        }
    }

    /** Adds each gradient to the element that was the largest. */
    record MaxGrad(Tensor dy, Tensor indices, Windows rows, Windows columns) implements Pool {
        @Override
        public String name() {
            return "max_pool2d_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return List.of(dy, indices);
        }

        @Override
        public List<Spec> outputs() {
            Checks.sameShape(name(), dy, indices);
            Checks.dtype(name(), DType.I32, indices);
            return List.of(new Spec(unpooled(this, dy), dy.dtype()));
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

    /** The mean of each window, its sum divided by rows.divisor * columns.divisor. */
    record Average(Tensor x, Windows rows, Windows columns) implements Pool {
        @Override
        public String name() {
            return "avg_pool2d";
        }

        @Override
        public List<Tensor> inputs() {
            return List.of(x);
        }

        @Override
        public List<Spec> outputs() {
            return List.of(new Spec(pooled(this, x), x.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(Tensor.run(new AverageGrad(b.gradient(0), rows, columns)));
        }
    }

    /** Spreads each gradient evenly over its window. */
    record AverageGrad(Tensor dy, Windows rows, Windows columns) implements Pool {
        @Override
        public String name() {
            return "avg_pool2d_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return List.of(dy);
        }

        @Override
        public List<Spec> outputs() {
            return List.of(new Spec(unpooled(this, dy), dy.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(Tensor.run(new Average(b.gradient(0), rows, columns)));
        }
    }

    private static Shape pooled(Pool op, Tensor x) {
        Checks.floating(op.name(), x);
        Checks.rank(op.name(), 4, x);
        if (x.dim(2) != op.rows().size() || x.dim(3) != op.columns().size()) {
            throw Checks.error(
                    op.name(),
                    "needs planes of " + op.rows().size() + " x " + op.columns().size(),
                    x);
        }
        return x.shape().with(2, op.rows().count()).with(3, op.columns().count());
    }

    private static Shape unpooled(Pool op, Tensor dy) {
        Checks.floating(op.name(), dy);
        Checks.rank(op.name(), 4, dy);
        if (dy.dim(2) != op.rows().count() || dy.dim(3) != op.columns().count()) {
            throw Checks.error(
                    op.name(),
                    "needs pooled planes of " + op.rows().count() + " x "
                            + op.columns().count(),
                    dy);
        }
        return dy.shape().with(2, op.rows().size()).with(3, op.columns().size());
    }
}
