package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import io.quern.tensor.op.View;

/**
 * How far two right results may be apart: {@code |got - want| <= abs + rel * |want|}.
 *
 * <p>The rule: kernels compute in float32 (float64 for F64) and round once to the dtype of the result. An element that
 * sums n terms of size 1 may be off by n roundings, whatever the order of the sum; operands of the catalogue are of size
 * 1. Copies, comparisons and the operations that IEEE 754 rounds correctly must be equal.
 *
 * @param abs for all elements
 * @param rel times the expected element
 */
public record Tolerance(double abs, double rel) {
    public static final Tolerance EXACT = new Tolerance(0, 0);

    /** Roundings that one function such as exp may take. */
    private static final int ROUNDINGS = 8;

    /** For a result of dtype {@code result} of {@code op}. */
    public static Tolerance of(Op op, DType result) {
        if (result == DType.I32 || isExact(op)) {
            return EXACT;
        }
        double unit = unit(result == DType.F64 ? DType.F64 : DType.F32);
        double rounding = result == DType.F64 || result == DType.F32 ? 0 : unit(result);
        return new Tolerance((summands(op) + 1) * unit, ROUNDINGS * unit + rounding);
    }

    /** The distance of 1 to the next number. */
    public static double unit(DType dtype) {
        return switch (dtype) {
            case F64 -> 0x1p-52;
            case F32 -> 0x1p-23;
            case F16 -> 0x1p-10;
            case BF16 -> 0x1p-7;
            case I32, Q8_0, Q4_0, Q4_K, Q6_K -> 0;
        };
    }

    /** Whether every right kernel gives the same bits. 16-bit results rounded twice, by way of float32, still do. */
    private static boolean isExact(Op op) {
        return switch (op) {
            case Elementwise e ->
                switch (e) {
                    case Elementwise.Unary u ->
                        switch (u.kind()) {
                            case NEG, ABS, RELU, SQUARE, SQRT, RECIPROCAL -> true;
                            case EXP, LOG, RSQRT, SIGMOID, TANH, GELU, GELU_TANH, SILU -> false;
                        };
                    case Elementwise.Binary b -> true;
                    case Elementwise.BiasUnary b -> false;
                    case Elementwise.BiasUnaryGrad b -> false;
                    case Elementwise.Compare c -> true;
                    case Elementwise.Where w -> true;
                    case Elementwise.Cast c -> true;
                    case Elementwise.UnaryGrad g -> false;
                    case Elementwise.Affine a -> false;
                    case Elementwise.Dropout d -> false;
                };
            case Index i -> !(i instanceof Index.EmbeddingGrad);
            case View v -> true;
            case Update u -> u instanceof Update.Assign || u instanceof Update.Fill;
            case Reduce r ->
                r instanceof Reduce.TopK
                        || r instanceof Reduce.Axes a && (a.kind() == Reduce.Kind.MAX || a.kind() == Reduce.Kind.MIN);
            case MatMul m -> false;
            case Norm n -> false;
            case Attention a -> false;
            case Conv c -> false;
            case Pool p -> p instanceof Pool.Max;
            case Loss l -> false;
            case CustomOp c -> false;
        };
    }

    /**
     * What the other operand of weights may be off by, in roundings. Kernels may take it in fixed point, in units of the largest
     * number of each 32: of 2^-20 with Q4_0, of 2^-21 with Q4_K.
     */
    private static double roundings(DType weights) {
        return switch (weights) {
            case Q4_0 -> 8;
            case Q4_K -> 4;
            case F32, F64, BF16, F16, I32, Q8_0, Q6_K -> 1;
        };
    }

    /** How many terms of size 1 an element of the result sums, chained sums added up. */
    private static double summands(Op op) {
        return switch (op) {
            case Elementwise.BiasUnary b -> 1;
            case Elementwise.BiasUnaryGrad b -> 1 + rows(b.x().shape());
            case Elementwise e -> 0;
            case Reduce r ->
                switch (r) {
                    case Reduce.Axes a ->
                        a.kind() == Reduce.Kind.SUM
                                ? (double) a.x().size()
                                        / Math.max(
                                                1,
                                                r.outputs().getFirst().shape().size())
                                : 1;
                    case Reduce.ArgMax a -> 0;
                    case Reduce.TopK t -> 0;
                    case Reduce.Softmax s -> s.x().dim(-1);
                    case Reduce.SoftmaxGrad s -> s.y().dim(-1);
                    case Reduce.SquaredNorm s ->
                        s.xs().stream().mapToLong(x -> x.size()).sum();
                };
            case MatMul m -> m.a().dim(-1) * roundings(m.b().dtype());
            case Norm n ->
                switch (n) {
                    case Norm.LayerNorm l -> l.x().dim(-1);
                    case Norm.RmsNorm l -> l.x().dim(-1);
                    case Norm.AddLayerNorm l -> l.x().dim(-1) + 2;
                    case Norm.AddRmsNorm l -> l.x().dim(-1) + 2;
                    case Norm.LayerNormGrad l -> l.x().dim(-1) + rows(l.x().shape());
                    case Norm.RmsNormGrad l -> l.x().dim(-1) + rows(l.x().shape());
                };
            case Attention a ->
                switch (a) {
                    case Attention.Forward f -> {
                        // A score is of size scale * sqrt(D), up to some D; its rounding error is a relative one of a
                        // weight.
                        int d = f.q().dim(-1);
                        yield (d + f.k().dim(1)) * Math.max(1, f.options().scale() * d / 16);
                    }
                    case Attention.Gradient g -> {
                        // Errors of scores and of their gradients, of size sqrt(D), are summed over keys or queries.
                        int d = g.q().dim(-1);
                        int sums = g.k().dim(1) + g.q().dim(1) * g.q().dim(2) / Math.max(1, g.k().dim(2));
                        yield (d + sums) * Math.sqrt(d);
                    }
                };
            case Conv c ->
                switch (c) {
                    case Conv.Forward f -> seen(c.w().dim(1), c.w());
                    case Conv.InputGrad g -> seen(c.w().dim(0) / c.geometry().groups(), c.w());
                    case Conv.WeightGrad g -> c.y().size() / c.y().dim(1);
                };
            case Pool p -> (double) p.rows().longest() * p.columns().longest();
            case Index.EmbeddingGrad e -> e.ids().size();
            case Index i -> 0;
            case View v -> 0;
            case Loss l ->
                switch (l) {
                    case Loss.CrossEntropy c -> c.logits().dim(-1);
                    case Loss.CrossEntropyGrad c -> c.logits().dim(-1);
                };
            case Update u -> ROUNDINGS;
            case CustomOp c -> ROUNDINGS;
        };
    }

    private static long seen(int planes, Shape kernel) {
        return (long) planes * kernel.dim(2) * kernel.dim(3);
    }

    private static long rows(Shape shape) {
        return shape.size() / shape.dim(-1);
    }
}
