package io.quern.tensor.check;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Reduce.Kind;
import java.util.Arrays;
import java.util.List;

/** Cases of {@link Reduce}. */
final class ReduceCases {
    private record Form(int[] dims, List<Integer> axes) {}

    private static final List<Form> FORMS = List.of(
            new Form(new int[] {}, List.of()),
            new Form(new int[] {1}, List.of(0)),
            new Form(new int[] {15}, List.of(0)),
            new Form(new int[] {1000}, List.of(0)),
            new Form(new int[] {5, 17}, List.of(1)),
            new Form(new int[] {5, 64}, List.of(1)),
            new Form(new int[] {17, 5}, List.of(0)),
            new Form(new int[] {65, 33}, List.of(0)),
            new Form(new int[] {65, 33}, List.of(0, 1)),
            new Form(new int[] {3, 5, 16}, List.of(1)),
            new Form(new int[] {3, 5, 17}, List.of(0, 2)),
            new Form(new int[] {3, 5, 17}, List.of(0, 1)),
            new Form(new int[] {3, 5, 17}, List.of(1, 2)),
            new Form(new int[] {3, 1, 17}, List.of(1)),
            new Form(new int[] {2, 3, 4, 5}, List.of(1, 3)),
            new Form(new int[] {4, 65}, List.of()),
            new Form(new int[] {0, 4}, List.of(1)));

    private ReduceCases() {}

    static void addTo(List<OpCase> all) {
        for (Kind kind : Kind.values()) {
            for (Form f : FORMS) {
                all.add(OpCase.of(
                        kind.label() + " " + Arrays.toString(f.dims) + " over " + f.axes,
                        d -> List.of(d.normal(f.dims)),
                        t -> new Reduce.Axes(kind, t.get(0), f.axes),
                        0));
            }
            all.add(OpCase.of(
                    kind.label() + " with ties",
                    d -> List.of(d.coarse(9, 17)),
                    t -> new Reduce.Axes(kind, t.get(0), List.of(1))));
            all.add(OpCase.of(
                    kind.label() + " of a transposed view",
                    d -> List.of(d.normal(9, 17)),
                    t -> new Reduce.Axes(kind, t.get(0).transpose(0, 1), List.of(1)),
                    0));
        }
        all.add(OpCase.of(
                "sum of nothing",
                d -> List.of(d.normal(3, 0)),
                t -> new Reduce.Axes(Kind.SUM, t.get(0), List.of(1)),
                0));
        argMax(all);
        topK(all);
        softmax(all, false);
        softmax(all, true);
        squaredNorm(all);
    }

    private static void argMax(List<OpCase> all) {
        for (int n : OpCatalog.LENGTHS) {
            all.add(OpCase.of("argmax [3, " + n + "]", d -> List.of(d.normal(3, n)), t -> new Reduce.ArgMax(t.get(0)))
                    .andIntegers());
            all.add(OpCase.of(
                            "argmax with ties [3, " + n + "]",
                            d -> List.of(d.coarse(3, n)),
                            t -> new Reduce.ArgMax(t.get(0)))
                    .andIntegers());
        }
        all.add(OpCase.of("argmax of a row", d -> List.of(d.normal(100)), t -> new Reduce.ArgMax(t.get(0))));
        all.add(OpCase.of(
                "argmax of negatives",
                d -> List.of(d.positive(2, 40)),
                t -> new Reduce.ArgMax(t.get(0).neg())));
    }

    private static void topK(List<OpCase> all) {
        for (int n : OpCatalog.LENGTHS) {
            for (int k : n == 1 ? new int[] {1} : new int[] {1, (n + 1) / 2, n}) {
                all.add(OpCase.of(
                                "topk " + k + " of [5, " + n + "]",
                                d -> List.of(d.normal(5, n)),
                                t -> new Reduce.TopK(t.get(0), k))
                        .andIntegers());
                all.add(OpCase.of(
                                "topk " + k + " with ties of [5, " + n + "]",
                                d -> List.of(d.coarse(5, n)),
                                t -> new Reduce.TopK(t.get(0), k))
                        .andIntegers());
            }
        }
        // More than devices sort at once: the best of parts meet in further rounds.
        for (int k : new int[] {1, 50, 1024}) {
            all.add(OpCase.of(
                    "topk " + k + " of long rows", d -> List.of(d.normal(2, 4100)), t -> new Reduce.TopK(t.get(0), k)));
        }
        all.add(OpCase.of(
                "topk of long rows with ties", d -> List.of(d.coarse(2, 7000)), t -> new Reduce.TopK(t.get(0), 1000)));
        all.add(OpCase.of("topk of a row", d -> List.of(d.normal(100)), t -> new Reduce.TopK(t.get(0), 7)));
        all.add(OpCase.of("topk of no rows", d -> List.of(d.normal(0, 9)), t -> new Reduce.TopK(t.get(0), 2)));
        all.add(OpCase.of(
                "topk of a view",
                d -> List.of(d.normal(33, 4)),
                t -> new Reduce.TopK(t.get(0).transpose(0, 1), 5)));
        double inf = Double.POSITIVE_INFINITY;
        all.add(OpCase.of(
                "topk of what is not finite",
                d -> List.of(d.values(new int[] {3, 6}, new double[] {
                    1,
                    Double.NaN,
                    inf,
                    -inf,
                    Double.NaN,
                    2,
                    -inf,
                    -inf,
                    -inf,
                    -inf,
                    -inf,
                    -inf,
                    -0.0,
                    0,
                    -1,
                    0,
                    -0.0,
                    -inf
                })),
                t -> new Reduce.TopK(t.get(0), 5)));
    }

    private static void softmax(List<OpCase> all, boolean log) {
        String name = log ? "log_softmax" : "softmax";
        for (int n : OpCatalog.LENGTHS) {
            all.add(OpCase.of(
                    name + " [3, " + n + "]", d -> List.of(d.normal(3, n)), t -> new Reduce.Softmax(t.get(0), log), 0));
            all.add(OpCase.of(
                    name + "_grad [3, " + n + "]",
                    d -> List.of(softmax(d.normal(3, n), log), d.normal(3, n)),
                    t -> new Reduce.SoftmaxGrad(t.get(0), t.get(1), log)));
        }
        all.add(OpCase.of(
                name + " of a view",
                d -> List.of(d.normal(33, 2, 3)),
                t -> new Reduce.Softmax(t.get(0).permute(2, 1, 0), log),
                0));
        all.add(OpCase.of(
                name + " of large numbers",
                d -> List.of(
                        d.values(new int[] {2, 4}, 1000, 1001, 999, -1000, 3e4, -3e4, 0, Double.NEGATIVE_INFINITY)),
                t -> new Reduce.Softmax(t.get(0), log)));
        all.add(OpCase.of(
                name + " of nothing", d -> List.of(d.normal(0, 5)), t -> new Reduce.Softmax(t.get(0), log), 0));
    }

    private static Tensor softmax(Tensor x, boolean log) {
        return log ? x.logSoftmax() : x.softmax();
    }

    private static void squaredNorm(List<OpCase> all) {
        all.add(OpCase.of(
                "squared_norm of three",
                d -> List.of(d.normal(1000), d.normal(3, 5), d.normal()),
                t -> new Reduce.SquaredNorm(t)));
        for (int n : OpCatalog.LENGTHS) {
            all.add(OpCase.of("squared_norm [" + n + "]", d -> List.of(d.normal(n)), t -> new Reduce.SquaredNorm(t)));
        }
    }
}
