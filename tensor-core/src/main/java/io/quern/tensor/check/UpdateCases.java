package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/** Cases of {@link Update}. */
final class UpdateCases {
    private static final List<OptimizerRule> RULES = List.of(
            new OptimizerRule.Sgd(0, 0, false),
            new OptimizerRule.Sgd(0.9, 0.1, false),
            new OptimizerRule.Sgd(0.9, 0, true),
            new OptimizerRule.Adagrad(0.1, 1e-10),
            new OptimizerRule.RmsProp(0.9, 1e-8, 0, false),
            new OptimizerRule.RmsProp(0.9, 1e-8, 0.5, true),
            new OptimizerRule.Adam(0.9, 0.99, 1e-8),
            new OptimizerRule.Lion(0.9, 0.99));

    private UpdateCases() {}

    static void addTo(List<OpCase> all) {
        for (int n : OpCatalog.LENGTHS) {
            all.add(OpCase.of(
                            "assign [" + n + "]",
                            d -> List.of(d.normal(n), d.normal(n)),
                            t -> new Update.Assign(t.get(0), t.get(1)))
                    .andIntegers());
            all.add(OpCase.of("fill [" + n + "]", d -> List.of(d.normal(n)), t -> new Update.Fill(t.get(0), -3))
                    .andIntegers());
            all.add(OpCase.of(
                    "accumulate [" + n + "]",
                    d -> List.of(d.normal(n), d.normal(n)),
                    t -> new Update.Accumulate(t.get(0), t.get(1), 0.7)));
            all.add(OpCase.of(
                    "accumulate one more [" + n + "]",
                    d -> List.of(d.normal(n), d.normal(n)),
                    t -> new Update.Accumulate(t.get(0), t.get(1), 1)));
            all.add(OpCase.of("adamw [" + n + "]", d -> adamWOperands(d, n), t -> adamW(t, 1, 1)));
            for (OptimizerRule rule : RULES) {
                all.add(step(rule, n, 1));
            }
        }
        all.add(OpCase.of(
                        "assign to a slice of a cache",
                        d -> List.of(d.normal(2, 20, 3, 16), d.normal(2, 5, 3, 16)),
                        t -> new Update.Assign(t.get(0).narrow(1, 7, 5), t.get(1)))
                .andIntegers());
        all.add(OpCase.of(
                        "assign of a transpose",
                        d -> List.of(d.normal(9, 17), d.normal(17, 9)),
                        t -> new Update.Assign(t.get(0), t.get(1).transpose(0, 1)))
                .andIntegers());
        all.add(OpCase.of(
                        "assign of a repeated scalar",
                        d -> List.of(d.normal(5, 33), d.normal()),
                        t -> new Update.Assign(
                                t.get(0).narrow(1, 1, 17), t.get(1).expand(Shape.of(5, 17))))
                .andIntegers());
        all.add(OpCase.of(
                        "fill of a column",
                        d -> List.of(d.normal(9, 17)),
                        t -> new Update.Fill(t.get(0).select(1, 3), 4))
                .andIntegers());
        all.add(OpCase.of("fill of nothing", d -> List.of(d.normal(3, 0)), t -> new Update.Fill(t.get(0), 4))
                .andIntegers());
        all.add(OpCase.of(
                "accumulate into a slice",
                d -> List.of(d.normal(5, 40), d.normal(5, 17)),
                t -> new Update.Accumulate(t.get(0).narrow(1, 20, 17), t.get(1), -1)));
        all.add(OpCase.of(
                "accumulate a repeated row",
                d -> List.of(d.normal(5, 17), d.normal(17)),
                t -> new Update.Accumulate(t.get(0), t.get(1).expand(Shape.of(5, 17)), 2)));
        all.add(OpCase.of(
                "accumulate a transpose",
                d -> List.of(d.normal(5, 17), d.normal(17, 5)),
                t -> new Update.Accumulate(t.get(0), t.get(1).transpose(0, 1), 2)));
        RULES.forEach(rule -> all.add(step(rule, 65, 1000)));
        all.add(OpCase.of("adamw later and clipped", d -> adamWOperands(d, 65), t -> adamW(t, 1000, 0.25)));
    }

    /** Of two parameters, one of which decays. */
    private static OpCase step(OptimizerRule rule, int n, long step) {
        return new OpCase(
                rule + " [" + n + "], step " + step,
                EnumSet.of(DType.F32, DType.F64),
                Set.of(),
                d -> {
                    List<Tensor> t = new ArrayList<>(List.of(d.normal(n), d.normal(2, n), d.normal(n), d.normal(2, n)));
                    for (int i = 0; i < rule.states(); i++) {
                        // A centred rule takes the square of the mean, its second, from the mean square.
                        boolean mean = rule instanceof OptimizerRule.RmsProp && i > 0;
                        t.add(mean ? d.values(new int[] {n}, new double[n]) : d.positive(n));
                        t.add(mean ? d.values(new int[] {2, n}, new double[2 * n]) : d.positive(2, n));
                    }
                    return t;
                },
                t -> new Update.GradientStep(
                        rule,
                        t.subList(0, 2),
                        t.subList(2, 4),
                        List.of(every(t, 4), every(t, 5)),
                        List.of(0.1, 0.0),
                        0.01,
                        0.5,
                        step));
    }

    /** Every other tensor from the given one on. */
    private static List<Tensor> every(List<Tensor> t, int from) {
        return IntStream.iterate(from, i -> i < t.size(), i -> i + 2)
                .mapToObj(t::get)
                .toList();
    }

    /** Two parameters, their gradients, and their moments. */
    private static List<Tensor> adamWOperands(Draw d, int n) {
        return List.of(
                d.normal(n),
                d.normal(2, n),
                d.normal(n),
                d.normal(2, n),
                d.normal(n),
                d.normal(2, n),
                d.positive(n),
                d.positive(2, n));
    }

    private static Update.AdamW adamW(List<Tensor> t, long step, double gradScale) {
        return new Update.AdamW(
                t.subList(0, 2),
                t.subList(2, 4),
                t.subList(4, 6),
                t.subList(6, 8),
                List.of(0.1, 0.0),
                0.01,
                0.9,
                0.99,
                1e-8,
                gradScale,
                step);
    }
}
