package io.quern.tensor.check;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Norm;
import java.util.ArrayList;
import java.util.List;

/** Cases of {@link Norm}. */
final class NormCases {
    private static final double EPS = 1e-5;

    private NormCases() {}

    static void addTo(List<OpCase> all) {
        for (int c : OpCatalog.LENGTHS) {
            // One channel is its own mean: layer norm gives 0, and the gradient is 0.
            all.add(OpCase.of(
                    "layer_norm [3, " + c + "]",
                    d -> List.of(d.normal(3, c), d.normal(c), d.normal(c)),
                    t -> new Norm.LayerNorm(t.get(0), t.get(1), t.get(2), EPS),
                    0,
                    1,
                    2));
            all.add(OpCase.of(
                    "layer_norm_grad [5, " + c + "]",
                    d -> layerNormGrad(d, d.normal(5, c), d.normal(c)),
                    t -> new Norm.LayerNormGrad(t.get(0), t.get(1), t.get(2), t.get(3), t.get(4))));
            all.add(OpCase.of(
                    "rms_norm [3, " + c + "]",
                    d -> List.of(rows(d, 3, c), d.normal(c)),
                    t -> new Norm.RmsNorm(t.get(0), t.get(1), EPS),
                    0,
                    1));
            all.add(OpCase.of(
                    "rms_norm_grad [5, " + c + "]",
                    d -> {
                        Tensor x = rows(d, 5, c);
                        Tensor w = d.normal(c);
                        Tensor rstd = Tensor.runAll(new Norm.RmsNorm(x, w, EPS)).get(1);
                        return List.of(x, w, rstd, d.normal(5, c));
                    },
                    t -> new Norm.RmsNormGrad(t.get(0), t.get(1), t.get(2), t.get(3))));
            all.add(OpCase.of(
                    "add_layer_norm [3, " + c + "]",
                    d -> List.of(d.normal(3, c), d.normal(3, c), d.normal(c), d.normal(c)),
                    t -> new Norm.AddLayerNorm(t.get(0), t.get(1), t.get(2), t.get(3), EPS),
                    0,
                    1,
                    2,
                    3));
            all.add(OpCase.of(
                    "add_rms_norm [5, " + c + "]",
                    d -> List.of(rows(d, 5, c), rows(d, 5, c), d.normal(c)),
                    t -> new Norm.AddRmsNorm(t.get(0), t.get(1), t.get(2), EPS),
                    0,
                    1,
                    2));
        }
        forms(all);
    }

    /** A lone number near 0 would be blown up; the root of a longer row is of size 1 anyway. */
    private static Tensor rows(Draw d, int n, int c) {
        return c == 1 ? d.positive(n, c) : d.normal(n, c);
    }

    private static List<Tensor> layerNormGrad(Draw d, Tensor x, Tensor weight) {
        List<Tensor> forward = Tensor.runAll(new Norm.LayerNorm(x, weight, null, EPS));
        List<Tensor> operands = new ArrayList<>(List.of(x, weight));
        operands.addAll(forward.subList(1, 3));
        operands.add(d.normal(x.shape().dims()));
        return operands;
    }

    private static void forms(List<OpCase> all) {
        all.add(OpCase.of(
                "layer_norm without weight and bias",
                d -> List.of(d.normal(2, 3, 17)),
                t -> new Norm.LayerNorm(t.get(0), null, null, EPS),
                0));
        all.add(OpCase.of(
                "layer_norm without bias",
                d -> List.of(d.normal(4, 16), d.normal(16)),
                t -> new Norm.LayerNorm(t.get(0), t.get(1), null, EPS),
                0,
                1));
        all.add(OpCase.of(
                "layer_norm without weight",
                d -> List.of(d.normal(4, 16), d.normal(16)),
                t -> new Norm.LayerNorm(t.get(0), null, t.get(1), EPS),
                0,
                1));
        all.add(OpCase.of(
                "layer_norm of one row",
                d -> List.of(d.normal(33), d.normal(33), d.normal(33)),
                t -> new Norm.LayerNorm(t.get(0), t.get(1), t.get(2), EPS),
                0,
                1,
                2));
        all.add(OpCase.of(
                "layer_norm of a view",
                d -> List.of(d.normal(33, 5), d.normal(33), d.normal(33)),
                t -> new Norm.LayerNorm(t.get(0).transpose(0, 1), t.get(1), t.get(2), EPS),
                0,
                1,
                2));
        all.add(OpCase.of(
                "layer_norm of many rows",
                d -> List.of(d.normal(130, 7), d.normal(7), d.normal(7)),
                t -> new Norm.LayerNorm(t.get(0), t.get(1), t.get(2), EPS),
                0,
                1,
                2));
        all.add(OpCase.of(
                "layer_norm_grad of many rows",
                d -> layerNormGrad(d, d.normal(130, 33), d.normal(33)),
                t -> new Norm.LayerNormGrad(t.get(0), t.get(1), t.get(2), t.get(3), t.get(4))));
        all.add(OpCase.of(
                "layer_norm_grad and another",
                d -> {
                    List<Tensor> operands = layerNormGrad(d, d.normal(20, 33), d.normal(33));
                    operands.add(d.normal(20, 33));
                    return operands;
                },
                t -> new Norm.LayerNormGrad(t.get(0), t.get(1), t.get(2), t.get(3), t.get(4), t.get(5))));
        all.add(OpCase.of(
                "rms_norm_grad and another",
                d -> {
                    Tensor x = d.normal(20, 33);
                    Tensor rstd = Tensor.runAll(new Norm.RmsNorm(x, null, EPS)).get(1);
                    return List.of(x, rstd, d.normal(20, 33), d.normal(20, 33));
                },
                t -> new Norm.RmsNormGrad(t.get(0), null, t.get(1), t.get(2), t.get(3))));
        all.add(OpCase.of(
                "add_layer_norm without weight and bias",
                d -> List.of(d.normal(2, 3, 17), d.normal(2, 3, 17)),
                t -> new Norm.AddLayerNorm(t.get(0), t.get(1), null, null, EPS),
                0,
                1));
        all.add(OpCase.of(
                "add_layer_norm of views",
                d -> List.of(d.normal(33, 5), d.normal(2, 5, 33), d.normal(33)),
                t -> new Norm.AddLayerNorm(t.get(0).transpose(0, 1), t.get(1).select(0, 1), t.get(2), null, EPS),
                0,
                1,
                2));
        all.add(OpCase.of(
                "add_layer_norm of many rows",
                d -> List.of(d.normal(130, 7), d.normal(130, 7), d.normal(7), d.normal(7)),
                t -> new Norm.AddLayerNorm(t.get(0), t.get(1), t.get(2), t.get(3), EPS),
                0,
                1,
                2,
                3));
        all.add(OpCase.of(
                "add_layer_norm of nothing",
                d -> List.of(d.normal(0, 5), d.normal(0, 5), d.normal(5), d.normal(5)),
                t -> new Norm.AddLayerNorm(t.get(0), t.get(1), t.get(2), t.get(3), EPS),
                0,
                1,
                2,
                3));
        all.add(OpCase.of(
                "add_rms_norm without weight",
                d -> List.of(d.normal(4, 17), d.normal(4, 17)),
                t -> new Norm.AddRmsNorm(t.get(0), t.get(1), null, EPS),
                0,
                1));
        all.add(OpCase.of(
                "layer_norm of nothing",
                d -> List.of(d.normal(0, 5), d.normal(5), d.normal(5)),
                t -> new Norm.LayerNorm(t.get(0), t.get(1), t.get(2), EPS),
                0,
                1,
                2));
        all.add(OpCase.of(
                "rms_norm without weight",
                d -> List.of(d.normal(2, 3, 17)),
                t -> new Norm.RmsNorm(t.get(0), null, EPS),
                0));
        all.add(OpCase.of(
                "rms_norm of many rows",
                d -> List.of(d.normal(130, 7), d.normal(7)),
                t -> new Norm.RmsNorm(t.get(0), t.get(1), EPS),
                0,
                1));
        all.add(OpCase.of(
                "rms_norm of nothing",
                d -> List.of(d.normal(0, 5), d.normal(5)),
                t -> new Norm.RmsNorm(t.get(0), t.get(1), EPS),
                0,
                1));
    }
}
