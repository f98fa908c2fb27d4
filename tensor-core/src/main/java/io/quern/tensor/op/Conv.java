package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.List;

/**
 * Convolution of planes (cross-correlation, as in PyTorch): y[n, o, i, j] = bias[o] + the sum over c, p, q of x[n, c, i *
 * stride - padding + p * dilation, ...] * weight[o, c, p, q], with 0 outside of x. The three operations are each other's
 * gradients; transposed convolution is {@link InputGrad}.
 */
public sealed interface Conv extends Op {

    /**
     * How the kernel moves over the planes.
     *
     * @param groups parts of the channels that do not see each other
     */
    record Geometry(int strideH, int strideW, int paddingH, int paddingW, int dilationH, int dilationW, int groups) {
        public Geometry {
            if (strideH < 1 || strideW < 1 || dilationH < 1 || dilationW < 1 || groups < 1) {
                throw new TensorException("conv2d: strides, dilations and groups must be 1 or more; got strides "
                        + strideH + ", " + strideW + ", dilations " + dilationH + ", " + dilationW + ", groups "
                        + groups);
            }
            if (paddingH < 0 || paddingW < 0) {
                throw new TensorException("conv2d: the padding must be 0 or more, not " + paddingH + ", " + paddingW);
            }
        }

        /** The same in both directions, without dilation or groups. */
        public static Geometry of(int stride, int padding) {
            return new Geometry(stride, stride, padding, padding, 1, 1, 1);
        }

        /** Rows of a result on {@code height} rows by a kernel of {@code kernel} rows; below 1 if it does not fit. */
        public int rows(int height, int kernel) {
            return outputs(height, kernel, strideH, paddingH, dilationH);
        }

        /** Columns, as {@link #rows}. */
        public int columns(int width, int kernel) {
            return outputs(width, kernel, strideW, paddingW, dilationW);
        }

        private static int outputs(int size, int kernel, int stride, int padding, int dilation) {
            long span = size + 2L * padding - (long) dilation * (kernel - 1) - 1;
            return Math.toIntExact(Math.floorDiv(span, stride) + 1);
        }
    }

    /** The shape of x, [N, C, H, W]. */
    Shape x();

    /** The shape of the weight, [O, C / groups, KH, KW]. */
    Shape w();

    Geometry geometry();

    /** The shape of y, [N, O, OH, OW]. */
    default Shape y() {
        Shape x = x();
        Shape w = w();
        return Shape.of(
                x.dim(0),
                w.dim(0),
                geometry().rows(x.dim(2), w.dim(2)),
                geometry().columns(x.dim(3), w.dim(3)));
    }

    @Override
    default long flops() {
        return 2 * y().size() * w().dim(1) * w().dim(2) * w().dim(3);
    }

    /**
     * The convolution.
     *
     * @param input [N, C, H, W]
     * @param weight [O, C / groups, KH, KW]
     * @param bias [O] or null
     */
    record Forward(Tensor input, Tensor weight, Tensor bias, Geometry geometry) implements Conv {
        @Override
        public String name() {
            return "conv2d";
        }

        @Override
        public Shape x() {
            return input.shape();
        }

        @Override
        public Shape w() {
            return weight.shape();
        }

        @Override
        public List<Tensor> inputs() {
            return asList(input, weight, bias);
        }

        @Override
        public List<Spec> outputs() {
            check(name(), input, weight);
            fit(this, input, weight);
            Checks.vector(name(), "the bias", w().dim(0), bias, weight);
            return List.of(new Spec(y(), input.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0, 1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            Tensor dy = b.gradient(0);
            return asList(
                    b.wants(0) ? Tensor.run(new InputGrad(dy, weight, x(), geometry)) : null,
                    b.wants(1) ? Tensor.run(new WeightGrad(input, dy, w(), geometry)) : null,
                    bias != null && b.wants(2) ? dy.sum(0, 2, 3) : null);
        }
    }

    /**
     * The gradient with respect to the input, which is also the transposed convolution of {@code dy}: each of its
     * elements spreads the kernel over {@code x}.
     */
    record InputGrad(Tensor dy, Tensor weight, Shape x, Geometry geometry) implements Conv {
        @Override
        public String name() {
            return "conv2d_input_grad";
        }

        @Override
        public Shape w() {
            return weight.shape();
        }

        @Override
        public List<Tensor> inputs() {
            return List.of(dy, weight);
        }

        @Override
        public List<Spec> outputs() {
            check(name(), dy, weight);
            fit(this, dy, weight);
            result(this, dy);
            return List.of(new Spec(x, dy.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0, 1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            Tensor g = b.gradient(0);
            return asList(
                    b.wants(0) ? Tensor.run(new Forward(g, weight, null, geometry)) : null,
                    b.wants(1) ? Tensor.run(new WeightGrad(g, dy, w(), geometry)) : null);
        }
    }

    /** The gradient with respect to the weight. */
    record WeightGrad(Tensor input, Tensor dy, Shape w, Geometry geometry) implements Conv {
        @Override
        public String name() {
            return "conv2d_weight_grad";
        }

        @Override
        public Shape x() {
            return input.shape();
        }

        @Override
        public List<Tensor> inputs() {
            return List.of(input, dy);
        }

        @Override
        public List<Spec> outputs() {
            check(name(), input, dy);
            fit(this, input, dy);
            result(this, dy);
            return List.of(new Spec(w, dy.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0, 1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            Tensor g = b.gradient(0);
            return asList(
                    b.wants(0) ? Tensor.run(new InputGrad(dy, g, x(), geometry)) : null,
                    b.wants(1) ? Tensor.run(new Forward(input, g, null, geometry)) : null);
        }
    }

    private static void check(String op, Tensor a, Tensor b) {
        Checks.floating(op, a);
        Checks.rank(op, 4, a);
        Checks.rank(op, 4, b);
        Checks.sameDType(op, a, b);
    }

    private static void fit(Conv op, Tensor a, Tensor b) {
        Shape x = op.x();
        Shape w = op.w();
        int groups = op.geometry().groups();
        if (x.rank() != 4 || w.rank() != 4 || w.dim(2) < 1 || w.dim(3) < 1) {
            throw Checks.error(op.name(), "needs planes [N, C, H, W] and a weight [O, C, KH, KW]", a, b);
        }
        if (x.dim(1) != w.dim(1) * groups || w.dim(0) % groups != 0) {
            throw Checks.error(
                    op.name(),
                    "with groups " + groups + ", planes " + x + " and weight " + w + " do not fit: a weight has "
                            + "[a multiple of groups, channels / groups, KH, KW]",
                    a,
                    b);
        }
        if (op.geometry().rows(x.dim(2), w.dim(2)) < 1 || op.geometry().columns(x.dim(3), w.dim(3)) < 1) {
            throw Checks.error(op.name(), "the kernel " + w + " is larger than the padded planes " + x, a, b);
        }
    }

    private static void result(Conv op, Tensor dy) {
        if (!dy.shape().equals(op.y())) {
            throw Checks.error(op.name(), "expected a gradient of shape " + op.y(), dy);
        }
    }
}
