package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/** Normalisation over the innermost dimension. */
public sealed interface Norm extends Op {

    /**
     * Layer norm: (x - mean) / sqrt(variance + eps) * weight + bias, variance with n; weight and bias [C] may be absent.
     * Results: y, and mean and reciprocal standard deviation of every row. Source: Ba, Kiros and Hinton (2016).
     */
    record LayerNorm(Tensor x, Tensor weight, Tensor bias, double eps) implements Norm {
        @Override
        public String name() {
            return "layer_norm";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, weight, bias);
        }

        @Override
        public List<Spec> outputs() {
            checkRows(name(), x, weight, bias);
            Spec perRow = new Spec(rowShape(x), statistics(x));
            return List.of(new Spec(x.shape(), x.dtype()), perRow, perRow);
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0, 1).andOutputs(1, 2);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            List<Tensor> g = Tensor.runAll(new LayerNormGrad(x, weight, b.output(1), b.output(2), b.gradient(0)));
            return asList(g.get(0), weight == null ? null : g.get(1), bias == null ? null : g.get(2));
        }

        @Override
        public long flops() {
            return 8 * x.shape().size();
        }
    }

    /**
     * The sum x + added of equal shapes, as between the blocks of a transformer, and its layer norm. Results: the norm, the
     * sum, and mean and reciprocal standard deviation of every row. The norm is that of the sum before it is rounded to a
     * dtype of 16 bits.
     */
    record AddLayerNorm(Tensor x, Tensor added, Tensor weight, Tensor bias, double eps) implements Norm {
        @Override
        public String name() {
            return "add_layer_norm";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, added, weight, bias);
        }

        @Override
        public List<Spec> outputs() {
            checkSum(name(), x, added, weight, bias);
            Spec all = new Spec(x.shape(), x.dtype());
            Spec perRow = new Spec(rowShape(x), statistics(x));
            return List.of(all, all, perRow, perRow);
        }

        @Override
        public boolean hasGradient(int result) {
            return result < 2;
        }

        @Override
        public Saves saves() {
            return Saves.inputs(2).andOutputs(1, 2, 3);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            Tensor dSum = b.gradient(1);
            if (b.gradient(0) == null) {
                return asList(dSum, dSum, null, null);
            }
            List<Tensor> g = Tensor.runAll(
                    new LayerNormGrad(b.output(1), weight, b.output(2), b.output(3), b.gradient(0), dSum));
            return asList(g.get(0), g.get(0), weight == null ? null : g.get(1), bias == null ? null : g.get(2));
        }

        @Override
        public long flops() {
            return 9 * x.shape().size();
        }
    }

    /**
     * Gradients of layer norm with respect to x, weight [C] and bias [C], both sums over all rows in a fixed order. To that of
     * x another gradient of x is added, which may be absent.
     */
    record LayerNormGrad(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy, Tensor other) implements Norm {
        public LayerNormGrad(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy) {
            this(x, weight, mean, rstd, dy, null);
        }

        @Override
        public String name() {
            return "layer_norm_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, weight, mean, rstd, dy, other);
        }

        @Override
        public List<Spec> outputs() {
            Checks.sameShape(name(), x, dy);
            checkOther(name(), x, other);
            Spec channel = new Spec(Shape.of(x.shape().dim(-1)), x.dtype());
            return List.of(new Spec(x.shape(), x.dtype()), channel, channel);
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
            return 14 * x.shape().size();
        }
    }

    /** RMS norm: x / sqrt(mean(x^2) + eps) * weight [C]. Results: y, and the reciprocal root of every row. */
    record RmsNorm(Tensor x, Tensor weight, double eps) implements Norm {
        @Override
        public String name() {
            return "rms_norm";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, weight);
        }

        @Override
        public List<Spec> outputs() {
            checkRows(name(), x, weight, null);
            return List.of(new Spec(x.shape(), x.dtype()), new Spec(rowShape(x), statistics(x)));
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0, 1).andOutputs(1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            List<Tensor> g = Tensor.runAll(new RmsNormGrad(x, weight, b.output(1), b.gradient(0)));
            return asList(g.get(0), weight == null ? null : g.get(1));
        }

        @Override
        public long flops() {
            return 5 * x.shape().size();
        }
    }

    /** The sum x + added and its RMS norm, as {@link AddLayerNorm}. Results: the norm, the sum, and every row's reciprocal root. */
    record AddRmsNorm(Tensor x, Tensor added, Tensor weight, double eps) implements Norm {
        @Override
        public String name() {
            return "add_rms_norm";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, added, weight);
        }

        @Override
        public List<Spec> outputs() {
            checkSum(name(), x, added, weight, null);
            Spec all = new Spec(x.shape(), x.dtype());
            return List.of(all, all, new Spec(rowShape(x), statistics(x)));
        }

        @Override
        public boolean hasGradient(int result) {
            return result < 2;
        }

        @Override
        public Saves saves() {
            return Saves.inputs(2).andOutputs(1, 2);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            Tensor dSum = b.gradient(1);
            if (b.gradient(0) == null) {
                return asList(dSum, dSum, null);
            }
            List<Tensor> g = Tensor.runAll(new RmsNormGrad(b.output(1), weight, b.output(2), b.gradient(0), dSum));
            return asList(g.get(0), g.get(0), weight == null ? null : g.get(1));
        }

        @Override
        public long flops() {
            return 6 * x.shape().size();
        }
    }

    /** Gradients of RMS norm with respect to x and weight [C]; to that of x another may be added, as in layer norm. */
    record RmsNormGrad(Tensor x, Tensor weight, Tensor rstd, Tensor dy, Tensor other) implements Norm {
        public RmsNormGrad(Tensor x, Tensor weight, Tensor rstd, Tensor dy) {
            this(x, weight, rstd, dy, null);
        }

        @Override
        public String name() {
            return "rms_norm_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, weight, rstd, dy, other);
        }

        @Override
        public List<Spec> outputs() {
            Checks.sameShape(name(), x, dy);
            checkOther(name(), x, other);
            return List.of(
                    new Spec(x.shape(), x.dtype()), new Spec(Shape.of(x.shape().dim(-1)), x.dtype()));
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
            return 10 * x.shape().size();
        }
    }

    private static void checkRows(String op, Tensor x, Tensor weight, Tensor bias) {
        Checks.floating(op, x);
        Checks.atLeastRank(op, 1, x);
        int c = x.shape().dim(-1);
        if (c == 0) {
            throw Checks.error(op, "the innermost dimension is empty", x);
        }
        Checks.vector(op, "the weight", c, weight, x);
        Checks.vector(op, "the bias", c, bias, x);
    }

    private static void checkSum(String op, Tensor x, Tensor added, Tensor weight, Tensor bias) {
        Checks.sameShape(op, x, added);
        Checks.sameDType(op, x, added);
        checkRows(op, x, weight, bias);
    }

    private static void checkOther(String op, Tensor x, Tensor other) {
        if (other != null) {
            Checks.sameShape(op, x, other);
            Checks.sameDType(op, x, other);
        }
    }

    private static Shape rowShape(Tensor x) {
        int[] dims = x.shape().dims();
        return Shape.of(Arrays.copyOf(dims, dims.length - 1));
    }

    /** Statistics of rows are kept in at least F32. */
    private static DType statistics(Tensor x) {
        return x.dtype() == DType.F64 ? DType.F64 : DType.F32;
    }
}
