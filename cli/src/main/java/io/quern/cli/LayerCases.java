package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import io.quern.tensor.op.Windows;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** All rows of {@code bench kernels} but products and attention. */
final class LayerCases {
    private static final int ROWS = 512;
    private static final int WIDTH = 768;
    private static final int INNER = 3072;
    private static final int VOCABULARY = 50257;
    private static final int IGNORED = -100;
    private static final double EPS = 1e-5;

    private final BenchOperands o;
    private final Consumer<KernelCases.Case> to;

    LayerCases(BenchOperands operands, Consumer<KernelCases.Case> to) {
        this.o = operands;
        this.to = to;
    }

    void add(boolean quick) {
        norms();
        elementwise();
        reductions();
        losses(quick ? ROWS / 8 : ROWS);
        index();
        convolutions();
        updates(quick ? 4 << 20 : 32 << 20);
    }

    private void one(String op, String shape, Supplier<Op> make) {
        to.accept(new KernelCases.Case(op, shape, o.dtype(), () -> List.of(make.get())));
    }

    private void norms() {
        String shape = ROWS + "x" + WIDTH;
        one(
                "layer_norm",
                shape,
                () -> new Norm.LayerNorm(o.numbers(ROWS, WIDTH), o.numbers(WIDTH), o.numbers(WIDTH), EPS));
        one("layer_norm_grad", shape, () -> {
            Tensor x = o.numbers(ROWS, WIDTH);
            Tensor w = o.numbers(WIDTH);
            List<Tensor> y = Tensor.runAll(new Norm.LayerNorm(x, w, o.numbers(WIDTH), EPS));
            return new Norm.LayerNormGrad(x, w, y.get(1), y.get(2), o.numbers(ROWS, WIDTH));
        });
        one(
                "add_layer_norm",
                shape,
                () -> new Norm.AddLayerNorm(
                        o.numbers(ROWS, WIDTH), o.numbers(ROWS, WIDTH), o.numbers(WIDTH), o.numbers(WIDTH), EPS));
        one(
                "add_rms_norm",
                shape,
                () -> new Norm.AddRmsNorm(o.numbers(ROWS, WIDTH), o.numbers(ROWS, WIDTH), o.numbers(WIDTH), EPS));
        one("rms_norm", shape, () -> new Norm.RmsNorm(o.numbers(ROWS, WIDTH), o.numbers(WIDTH), EPS));
        one("rms_norm_grad", shape, () -> {
            Tensor x = o.numbers(ROWS, WIDTH);
            Tensor w = o.numbers(WIDTH);
            List<Tensor> y = Tensor.runAll(new Norm.RmsNorm(x, w, EPS));
            return new Norm.RmsNormGrad(x, w, y.get(1), o.numbers(ROWS, WIDTH));
        });
    }

    private void elementwise() {
        String shape = ROWS + "x" + INNER;
        for (Elementwise.UnaryKind kind : Elementwise.UnaryKind.values()) {
            one(kind.label(), shape, () -> new Elementwise.Unary(kind, o.positive(ROWS, INNER)));
            one(
                    kind.label() + "_grad",
                    shape,
                    () -> new Elementwise.UnaryGrad(kind, o.positive(ROWS, INNER), o.numbers(ROWS, INNER)));
        }
        for (Elementwise.UnaryKind kind : List.of(
                Elementwise.UnaryKind.RELU,
                Elementwise.UnaryKind.SILU,
                Elementwise.UnaryKind.GELU,
                Elementwise.UnaryKind.GELU_TANH)) {
            one(
                    "bias_" + kind.label(),
                    shape,
                    () -> new Elementwise.BiasUnary(kind, o.numbers(ROWS, INNER), o.numbers(INNER)));
            one(
                    "bias_" + kind.label() + "_grad",
                    shape,
                    () -> new Elementwise.BiasUnaryGrad(
                            kind, o.numbers(ROWS, INNER), o.numbers(INNER), o.numbers(ROWS, INNER)));
        }
        for (Elementwise.BinaryKind kind : Elementwise.BinaryKind.values()) {
            one(
                    kind.label(),
                    shape,
                    () -> new Elementwise.Binary(kind, o.numbers(ROWS, INNER), o.positive(ROWS, INNER)));
        }
        one(
                "add",
                shape + " + row",
                () -> new Elementwise.Binary(Elementwise.BinaryKind.ADD, o.numbers(ROWS, INNER), o.numbers(INNER)));
        for (Elementwise.CompareKind kind : Elementwise.CompareKind.values()) {
            one(
                    kind.label(),
                    shape,
                    () -> new Elementwise.Compare(kind, o.numbers(ROWS, INNER), o.numbers(ROWS, INNER)));
        }
        one("affine", shape, () -> new Elementwise.Affine(o.numbers(ROWS, INNER), 2, 1));
        one("where", shape, () -> {
            Tensor x = o.numbers(ROWS, INNER);
            Tensor y = o.positive(ROWS, INNER);
            return new Elementwise.Where(Tensor.run(new Elementwise.Compare(Elementwise.CompareKind.GT, x, y)), x, y);
        });
        DType other = o.dtype() == DType.BF16 ? DType.F32 : DType.BF16;
        one("cast", shape + " to " + other, () -> new Elementwise.Cast(o.numbers(ROWS, INNER), other));
        one("dropout", shape, () -> new Elementwise.Dropout(o.numbers(ROWS, INNER), 0.1, 1, 1));
    }

    private void reductions() {
        String shape = ROWS + "x" + INNER;
        for (Reduce.Kind kind : Reduce.Kind.values()) {
            one(kind.label(), shape + " rows", () -> new Reduce.Axes(kind, o.numbers(ROWS, INNER), List.of(1)));
        }
        one("sum", shape + " columns", () -> new Reduce.Axes(Reduce.Kind.SUM, o.numbers(ROWS, INNER), List.of(0)));
        one("argmax", shape, () -> new Reduce.ArgMax(o.numbers(ROWS, INNER)));
        one("topk", "66 of " + VOCABULARY, () -> new Reduce.TopK(o.numbers(1, VOCABULARY), 66));
        for (boolean log : new boolean[] {false, true}) {
            String name = log ? "log_softmax" : "softmax";
            one(name, "512x1024", () -> new Reduce.Softmax(o.numbers(512, 1024), log));
            one(name + "_grad", "512x1024", () -> {
                Tensor y = Tensor.run(new Reduce.Softmax(o.numbers(512, 1024), log));
                return new Reduce.SoftmaxGrad(y, o.numbers(512, 1024), log);
            });
        }
    }

    private void losses(int rows) {
        String shape = rows + "x" + VOCABULARY;
        one(
                "cross_entropy",
                shape,
                () -> new Loss.CrossEntropy(o.numbers(rows, VOCABULARY), o.ids(VOCABULARY, rows), null, IGNORED, 0));
        one("cross_entropy_grad", shape, () -> {
            Tensor logits = o.numbers(rows, VOCABULARY);
            Tensor targets = o.ids(VOCABULARY, rows);
            List<Tensor> y = Tensor.runAll(new Loss.CrossEntropy(logits, targets, null, IGNORED, 0));
            return new Loss.CrossEntropyGrad(logits, targets, null, y.get(1), o.statistics(rows), IGNORED, 0);
        });
    }

    private void index() {
        String table = ROWS + " of " + VOCABULARY + "x" + WIDTH;
        one("embedding", table, () -> new Index.Embedding(o.numbers(VOCABULARY, WIDTH), o.ids(VOCABULARY, ROWS)));
        one(
                "embedding_grad",
                table,
                () -> new Index.EmbeddingGrad(o.ids(VOCABULARY, ROWS), o.numbers(ROWS, WIDTH), VOCABULARY));
        one(
                "concat",
                "2 of " + ROWS + "x" + INNER,
                () -> new Index.Concat(List.of(o.numbers(ROWS, INNER), o.numbers(ROWS, INNER)), 1));
        one(
                "pack",
                "transpose 3072x768",
                () -> new Index.Pack(o.numbers(3072, 768).transpose(0, 1)));
    }

    /** The patches of ViT-B/16, a layer of LeNet-5 and one of ResNet. */
    private void convolutions() {
        convolution("1x3x224x224, 768 of 16x16 by 16", 1, 3, 224, 768, 16, 16, 0);
        convolution("16x64x56x56, 64 of 3x3", 16, 64, 56, 64, 3, 1, 1);
        Windows by2 = new Windows.Sliding(56, 2, 2, 0, true);
        String shape = "16x64x56x56, 2x2";
        one("max_pool2d", shape, () -> new Pool.Max(o.numbers(16, 64, 56, 56), by2, by2));
        one("max_pool2d_grad", shape, () -> {
            List<Tensor> y = Tensor.runAll(new Pool.Max(o.numbers(16, 64, 56, 56), by2, by2));
            return new Pool.MaxGrad(o.numbers(16, 64, 28, 28), y.get(1), by2, by2);
        });
        one("avg_pool2d", shape, () -> new Pool.Average(o.numbers(16, 64, 56, 56), by2, by2));
        one("avg_pool2d_grad", shape, () -> new Pool.AverageGrad(o.numbers(16, 64, 28, 28), by2, by2));
    }

    private void convolution(String shape, int n, int c, int size, int out, int kernel, int stride, int padding) {
        Conv.Geometry g = Conv.Geometry.of(stride, padding);
        int after = (size + 2 * padding - kernel) / stride + 1;
        one(
                "conv2d",
                shape,
                () -> new Conv.Forward(
                        o.numbers(n, c, size, size), o.numbers(out, c, kernel, kernel), o.numbers(out), g));
        one(
                "conv2d_input_grad",
                shape,
                () -> new Conv.InputGrad(
                        o.numbers(n, out, after, after),
                        o.numbers(out, c, kernel, kernel),
                        Shape.of(n, c, size, size),
                        g));
        one(
                "conv2d_weight_grad",
                shape,
                () -> new Conv.WeightGrad(
                        o.numbers(n, c, size, size),
                        o.numbers(n, out, after, after),
                        Shape.of(out, c, kernel, kernel),
                        g));
    }

    private void updates(int n) {
        String shape = (n >> 20) + "M";
        one("assign", shape, () -> new Update.Assign(o.zeros(n), o.numbers(n)));
        one("fill", shape, () -> new Update.Fill(o.zeros(n), 1));
        one("accumulate", shape, () -> new Update.Accumulate(o.zeros(n), o.numbers(n), 1e-3));
        one("squared_norm", shape, () -> new Reduce.SquaredNorm(List.of(o.numbers(n))));
        one(
                "adamw",
                shape,
                () -> new Update.AdamW(
                        List.of(o.numbers(n)),
                        List.of(o.numbers(n)),
                        List.of(o.zeros(n)),
                        List.of(o.zeros(n)),
                        List.of(0.1),
                        1e-4,
                        0.9,
                        0.95,
                        1e-8,
                        1,
                        10));
        step("sgd", shape, n, new OptimizerRule.Sgd(0.9, 0, false));
        step("adagrad", shape, n, new OptimizerRule.Adagrad(0, 1e-10));
        step("rmsprop", shape, n, new OptimizerRule.RmsProp(0.99, 1e-8, 0, false));
        step("adam", shape, n, new OptimizerRule.Adam(0.9, 0.999, 1e-8));
        step("lion", shape, n, new OptimizerRule.Lion(0.9, 0.99));
    }

    private void step(String name, String shape, int n, OptimizerRule rule) {
        if (o.dtype() != DType.F32 && o.dtype() != DType.F64) {
            return; // the rules keep their state in the parameters' dtype and take no narrower one
        }
        one(name, shape, () -> {
            List<Tensor> state = new ArrayList<>();
            for (int i = 0; i < rule.states(); i++) {
                state.add(o.zeros(n));
            }
            return new Update.GradientStep(
                    rule, List.of(o.numbers(n)), List.of(o.numbers(n)), List.of(state), List.of(0.0), 1e-6, 1, 10);
        });
    }
}
