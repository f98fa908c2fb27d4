package io.quern.tensor.check;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Windows;
import java.util.List;

/** Cases of {@link Pool}. */
final class PoolCases {
    private record Form(String about, Windows rows, Windows columns) {}

    private static final List<Form> FORMS = List.of(
            form("one element", 1, 1, 1, 1, 0, true),
            form("2 x 2", 6, 8, 2, 2, 0, true),
            form("overlap", 7, 9, 3, 2, 1, true),
            form("overlap without counting the padding", 7, 9, 3, 2, 1, false),
            form("cut", 5, 8, 3, 3, 0, true),
            form("gaps", 9, 8, 2, 3, 0, true),
            form("wide planes", 4, 67, 2, 2, 0, true),
            new Form("adaptive to 1 x 1", new Windows.Adaptive(5, 1), new Windows.Adaptive(7, 1)),
            new Form("adaptive to 3 x 4", new Windows.Adaptive(7, 3), new Windows.Adaptive(10, 4)),
            new Form("adaptive to more", new Windows.Adaptive(2, 3), new Windows.Adaptive(3, 7)));

    private PoolCases() {}

    private static Form form(
            String about, int height, int width, int kernel, int stride, int padding, boolean countPadding) {
        return new Form(
                about,
                new Windows.Sliding(height, kernel, stride, padding, countPadding),
                new Windows.Sliding(width, kernel, stride, padding, countPadding));
    }

    static void addTo(List<OpCase> all) {
        for (Form f : FORMS) {
            addTo(all, f, 2, 3);
        }
        addTo(all, new Form("no images", new Windows.Adaptive(4, 2), new Windows.Adaptive(4, 2)), 0, 3);
        addTo(all, form("many planes", 30, 30, 2, 2, 0, true), 5, 16);
    }

    private static void addTo(List<OpCase> all, Form f, int images, int channels) {
        int h = f.rows.size();
        int w = f.columns.size();
        int oh = f.rows.count();
        int ow = f.columns.count();
        all.add(OpCase.of(
                "max_pool2d, " + f.about,
                d -> List.of(d.normal(images, channels, h, w)),
                t -> new Pool.Max(t.get(0), f.rows, f.columns),
                0));
        all.add(OpCase.of(
                "max_pool2d of equal elements, " + f.about,
                d -> List.of(d.coarse(images, channels, h, w)),
                t -> new Pool.Max(t.get(0), f.rows, f.columns)));
        all.add(OpCase.of(
                "max_pool2d_grad, " + f.about,
                d -> {
                    List<Tensor> forward =
                            Tensor.runAll(new Pool.Max(d.normal(images, channels, h, w), f.rows, f.columns));
                    return List.of(d.normal(images, channels, oh, ow), forward.get(1));
                },
                t -> new Pool.MaxGrad(t.get(0), t.get(1), f.rows, f.columns)));
        all.add(OpCase.of(
                "avg_pool2d, " + f.about,
                d -> List.of(d.normal(images, channels, h, w)),
                t -> new Pool.Average(t.get(0), f.rows, f.columns),
                0));
        all.add(OpCase.of(
                "avg_pool2d_grad, " + f.about,
                d -> List.of(d.normal(images, channels, oh, ow)),
                t -> new Pool.AverageGrad(t.get(0), f.rows, f.columns),
                0));
    }
}
