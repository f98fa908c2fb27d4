package io.quern.tensor.check;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Loss;
import java.util.ArrayList;
import java.util.List;

/** Cases of {@link Loss}. */
final class LossCases {
    private static final int IGNORE = -100;

    private LossCases() {}

    static void addTo(List<OpCase> all) {
        for (int v : OpCatalog.LENGTHS) {
            for (double smoothing : new double[] {0, 0.1}) {
                for (boolean weighted : new boolean[] {false, true}) {
                    String name = "[6, " + v + "]" + (smoothing > 0 ? " smoothed" : "") + (weighted ? " weighted" : "");
                    all.add(OpCase.of(
                            "cross_entropy " + name,
                            d -> operands(d, 6, v, weighted),
                            t -> new Loss.CrossEntropy(
                                    t.get(0), t.get(1), weighted ? t.get(2) : null, IGNORE, smoothing),
                            0));
                    all.add(OpCase.of(
                            "cross_entropy_grad " + name,
                            d -> gradientOperands(d, 6, v, weighted, smoothing),
                            t -> new Loss.CrossEntropyGrad(
                                    t.get(0),
                                    t.get(1),
                                    weighted ? t.get(2) : null,
                                    t.get(t.size() - 2),
                                    t.get(t.size() - 1),
                                    IGNORE,
                                    smoothing)));
                }
            }
        }
        all.add(OpCase.of(
                "cross_entropy that ignores a class",
                d -> List.of(d.normal(9, 4), d.ints(4, 9)),
                t -> new Loss.CrossEntropy(t.get(0), t.get(1), null, 2, 0),
                0));
        all.add(OpCase.of(
                "cross_entropy of all but the last row",
                d -> List.of(d.normal(3, 6, 33), d.ints(33, 3)),
                t -> new Loss.CrossEntropy(t.get(0).select(1, 2), t.get(1), null, IGNORE, 0),
                0));
        all.add(OpCase.of(
                "cross_entropy of the first classes",
                d -> List.of(d.normal(5, 40), d.ints(33, 5)),
                t -> new Loss.CrossEntropy(t.get(0).narrow(1, 0, 33), t.get(1), null, IGNORE, 0),
                0));
        all.add(OpCase.of(
                "cross_entropy of large logits",
                d -> List.of(
                        d.values(new int[] {2, 3}, 1000, 0, -1000, 0, Double.NEGATIVE_INFINITY, 3),
                        d.ints(new int[] {2}, 1, 0)),
                t -> new Loss.CrossEntropy(t.get(0), t.get(1), null, IGNORE, 0)));
        all.add(OpCase.of(
                "cross_entropy of no rows",
                d -> List.of(d.normal(0, 4), d.ints(4, 0)),
                t -> new Loss.CrossEntropy(t.get(0), t.get(1), null, IGNORE, 0),
                0));
    }

    /** The second row is ignored. */
    private static List<Tensor> operands(Draw d, int n, int v, boolean weighted) {
        int[] targets = new int[n];
        for (int i = 0; i < n; i++) {
            targets[i] = i == 1 ? IGNORE : i * 7 % v;
        }
        List<Tensor> all = new ArrayList<>(List.of(d.normal(n, v), d.ints(new int[] {n}, targets)));
        if (weighted) {
            all.add(d.positive(v));
        }
        return all;
    }

    private static List<Tensor> gradientOperands(Draw d, int n, int v, boolean weighted, double smoothing) {
        List<Tensor> all = operands(d, n, v, weighted);
        List<Tensor> forward = Tensor.runAll(
                new Loss.CrossEntropy(all.get(0), all.get(1), weighted ? all.get(2) : null, IGNORE, smoothing));
        all.add(forward.get(1));
        all.add(d.normal(d.statistics(), n));
        return all;
    }
}
