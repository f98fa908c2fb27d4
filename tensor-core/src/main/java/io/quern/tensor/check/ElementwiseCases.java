package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Elementwise.CompareKind;
import io.quern.tensor.op.Elementwise.UnaryKind;
import java.util.Arrays;
import java.util.List;

/** Cases of {@link Elementwise}. */
final class ElementwiseCases {
    private static final DType[] PLAIN = {DType.F32, DType.F64, DType.BF16, DType.F16, DType.I32};

    /** Pairs of shapes that broadcast, with equal ones, scalars, rows, columns, and both at once. */
    private static final int[][][] PAIRS = {
        {{}, {}},
        {{65}, {65}},
        {{3, 17}, {3, 17}},
        {{65}, {}},
        {{}, {65}},
        {{5, 16}, {16}},
        {{16}, {5, 16}},
        {{5, 17}, {5, 1}},
        {{5, 1}, {5, 17}},
        {{5, 1}, {1, 17}},
        {{2, 1, 33}, {4, 1}},
        {{2, 3, 1, 5}, {3, 4, 1}},
        {{2, 3, 64}, {1, 3, 64}},
        {{4, 1}, {4, 1}},
        {{0, 3}, {3}},
        {{2, 0}, {2, 1}},
    };

    private ElementwiseCases() {}

    static void addTo(List<OpCase> all) {
        for (UnaryKind kind : UnaryKind.values()) {
            unary(all, kind);
        }
        for (BinaryKind kind : BinaryKind.values()) {
            for (int[][] pair : PAIRS) {
                all.add(OpCase.of(
                                kind.label() + " " + Arrays.toString(pair[0]) + " " + Arrays.toString(pair[1]),
                                d -> List.of(d.normal(pair[0]), d.positive(pair[1])),
                                t -> new Elementwise.Binary(kind, t.get(0), t.get(1)),
                                0,
                                1)
                        .andIntegers());
            }
            all.add(OpCase.of(
                            kind.label() + " of transposed views",
                            d -> List.of(d.normal(7, 33), d.positive(33, 7)),
                            t -> new Elementwise.Binary(kind, t.get(0).transpose(0, 1), t.get(1)),
                            0,
                            1)
                    .andIntegers());
        }
        for (UnaryKind kind : List.of(UnaryKind.RELU, UnaryKind.SILU, UnaryKind.GELU, UnaryKind.GELU_TANH)) {
            bias(all, kind);
        }
        for (CompareKind kind : CompareKind.values()) {
            for (int[][] pair : PAIRS) {
                all.add(OpCase.of(
                                kind.label() + " " + Arrays.toString(pair[0]) + " " + Arrays.toString(pair[1]),
                                d -> List.of(d.coarse(pair[0]), d.coarse(pair[1])),
                                t -> new Elementwise.Compare(kind, t.get(0), t.get(1)))
                        .andIntegers());
            }
        }
        ties(all);
        affine(all);
        where(all);
        casts(all);
        dropout(all);
    }

    private static void unary(List<OpCase> all, UnaryKind kind) {
        boolean positive = kind == UnaryKind.LOG
                || kind == UnaryKind.SQRT
                || kind == UnaryKind.RSQRT
                || kind == UnaryKind.RECIPROCAL;
        for (int n : OpCatalog.LENGTHS) {
            all.add(OpCase.of(
                    kind.label() + " [" + n + "]",
                    d -> List.of(positive ? d.positive(n) : d.normal(n)),
                    t -> new Elementwise.Unary(kind, t.get(0)),
                    0));
        }
        all.add(OpCase.of(
                kind.label() + " of a scalar",
                d -> List.of(d.positive()),
                t -> new Elementwise.Unary(kind, t.get(0)),
                0));
        all.add(OpCase.of(
                kind.label() + " of nothing",
                d -> List.of(d.normal(3, 0)),
                t -> new Elementwise.Unary(kind, t.get(0)),
                0));
        all.add(OpCase.of(
                kind.label() + " of a permuted view",
                d -> List.of(d.positive(3, 5, 7)),
                t -> new Elementwise.Unary(kind, t.get(0).permute(2, 0, 1)),
                0));
        all.add(OpCase.of(
                kind.label() + " far out",
                d -> List.of(
                        d.values(new int[] {16}, -1e4, -100, -20, -10, -7, -5, -3, -0.0, 0, 3, 5, 7, 10, 20, 100, 1e4)),
                t -> new Elementwise.Unary(kind, t.get(0))));
        for (int n : OpCatalog.LENGTHS) {
            all.add(OpCase.of(
                    kind.label() + "_grad [" + n + "]",
                    d -> List.of(positive ? d.positive(n) : d.normal(n), d.normal(n)),
                    t -> new Elementwise.UnaryGrad(kind, t.get(0), t.get(1))));
        }
    }

    private static void bias(List<OpCase> all, UnaryKind kind) {
        int[][] shapes = {{1, 1}, {3, 15}, {2, 5, 64}, {257, 65}, {130, 3}, {33}, {1, 1030}, {0, 4}};
        for (int[] s : shapes) {
            int c = s[s.length - 1];
            all.add(OpCase.of(
                    "bias_" + kind.label() + " " + Arrays.toString(s),
                    d -> kind == UnaryKind.RELU
                            ? List.of(d.positive(s), d.positive(c)) // differences at the bend say nothing
                            : List.of(d.normal(s), d.normal(c)),
                    t -> new Elementwise.BiasUnary(kind, t.get(0), t.get(1)),
                    0,
                    1));
            all.add(OpCase.of(
                    "bias_" + kind.label() + "_grad " + Arrays.toString(s),
                    d -> List.of(d.normal(s), d.normal(c), d.normal(s)),
                    t -> new Elementwise.BiasUnaryGrad(kind, t.get(0), t.get(1), t.get(2))));
        }
        all.add(OpCase.of(
                "bias_" + kind.label() + " of a view",
                d -> List.of(d.positive(33, 5), d.positive(33)),
                t -> new Elementwise.BiasUnary(kind, t.get(0).transpose(0, 1), t.get(1)),
                0,
                1));
    }

    private static void ties(List<OpCase> all) {
        for (BinaryKind kind : List.of(BinaryKind.MAX, BinaryKind.MIN)) {
            all.add(OpCase.of(
                            kind.label() + " of equals",
                            d -> List.of(d.coarse(9, 17), d.coarse(17)),
                            t -> new Elementwise.Binary(kind, t.get(0), t.get(1)))
                    .andIntegers());
        }
    }

    private static void affine(List<OpCase> all) {
        for (int n : OpCatalog.LENGTHS) {
            all.add(OpCase.of(
                    "affine [" + n + "]",
                    d -> List.of(d.normal(n)),
                    t -> new Elementwise.Affine(t.get(0), -1.7, 0.3),
                    0));
        }
        all.add(OpCase.of(
                "affine of a view",
                d -> List.of(d.normal(4, 9)),
                t -> new Elementwise.Affine(middle(t.get(0)), 2, 0),
                0));
    }

    private static void where(List<OpCase> all) {
        int[][][] shapes = {
            {{}, {}, {}},
            {{65}, {65}, {65}},
            {{65}, {}, {65}},
            {{3, 1}, {1, 17}, {3, 17}},
            {{17}, {3, 1}, {2, 1, 1}},
            {{2, 3, 16}, {}, {}},
            {{0}, {1}, {1}},
        };
        for (int[][] s : shapes) {
            all.add(OpCase.of(
                            "where " + Arrays.deepToString(s),
                            d -> List.of(d.ints(2, s[0]), d.normal(s[1]), d.normal(s[2])),
                            t -> new Elementwise.Where(t.get(0), t.get(1), t.get(2)),
                            1,
                            2)
                    .andIntegers());
        }
    }

    private static void casts(List<OpCase> all) {
        for (DType to : PLAIN) {
            for (int n : OpCatalog.LENGTHS) {
                OpCase c = OpCase.of(
                        "cast to " + to + " [" + n + "]",
                        d -> List.of(d.normal(n)),
                        t -> new Elementwise.Cast(t.get(0), to));
                all.add(c.andIntegers());
            }
            all.add(OpCase.of(
                    "cast to " + to + " far out",
                    d -> List.of(d.values(
                            new int[] {14},
                            0.5,
                            -0.5,
                            1.5,
                            -0.0,
                            3e9,
                            -3e9,
                            65504,
                            65519,
                            65520,
                            1e38,
                            1e-8,
                            Double.NaN,
                            Double.POSITIVE_INFINITY,
                            Double.NEGATIVE_INFINITY)),
                    t -> new Elementwise.Cast(t.get(0), to)));
        }
        // Only a dtype of as many digits can be checked by differences.
        all.add(OpCase.of(
                "cast to itself",
                d -> List.of(d.normal(5)),
                t -> new Elementwise.Cast(t.get(0), t.get(0).dtype()),
                0));
    }

    private static void dropout(List<OpCase> all) {
        for (int n : new int[] {1, 17, 64, 1000}) {
            all.add(OpCase.of(
                    "dropout [" + n + "]",
                    d -> List.of(d.normal(n)),
                    t -> new Elementwise.Dropout(t.get(0), 0.3, 7, 3),
                    0));
        }
        all.add(OpCase.of(
                "dropout of a view",
                d -> List.of(d.normal(9, 33)),
                t -> new Elementwise.Dropout(t.get(0).transpose(0, 1), 0.9, -7, 1L << 33),
                0));
    }

    /** All rows but the outer ones, and all columns but the outer ones. */
    private static Tensor middle(Tensor t) {
        return t.narrow(0, 1, t.dim(0) - 2).narrow(1, 1, t.dim(1) - 2);
    }
}
