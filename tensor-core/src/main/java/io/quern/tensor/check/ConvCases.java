package io.quern.tensor.check;

import io.quern.tensor.Shape;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.Conv.Geometry;
import java.util.List;

/** Cases of {@link Conv}. */
final class ConvCases {
    private record Form(String about, int[] x, int[] w, Geometry geometry) {
        int[] y() {
            return new int[] {x[0], w[0], geometry.rows(x[2], w[2]), geometry.columns(x[3], w[3])};
        }
    }

    private static final List<Form> FORMS = List.of(
            form("one element", Geometry.of(1, 0), 1, 1, 1, 1, 1, 1, 1),
            form("plain", Geometry.of(1, 0), 2, 3, 6, 7, 4, 3, 3),
            form("1 x 1", Geometry.of(1, 0), 3, 5, 4, 4, 2, 1, 1),
            form("padding", Geometry.of(1, 2), 2, 1, 9, 9, 6, 5, 5),
            form("stride", Geometry.of(2, 1), 2, 2, 7, 8, 3, 3, 3),
            form("patches", Geometry.of(4, 0), 1, 3, 8, 12, 5, 4, 4),
            form("rectangular", new Geometry(1, 3, 0, 2, 1, 1, 1), 1, 2, 5, 17, 2, 2, 4),
            form("dilation", new Geometry(1, 1, 2, 3, 2, 3, 1), 1, 2, 8, 8, 2, 3, 2),
            form("groups", new Geometry(1, 1, 1, 1, 1, 1, 2), 2, 4, 5, 5, 6, 3, 3),
            form("by channel", new Geometry(2, 2, 1, 1, 1, 1, 3), 2, 3, 5, 6, 3, 3, 3),
            form("padding beyond the kernel", Geometry.of(1, 3), 1, 1, 2, 2, 2, 2, 2),
            form("rows left over", Geometry.of(3, 0), 1, 2, 9, 10, 2, 2, 2),
            form("no images", Geometry.of(1, 0), 0, 2, 4, 4, 3, 3, 3));

    private ConvCases() {}

    private static Form form(
            String about, Geometry g, int images, int channels, int height, int width, int outputs, int kh, int kw) {
        return new Form(
                about,
                new int[] {images, channels, height, width},
                new int[] {outputs, channels / g.groups(), kh, kw},
                g);
    }

    static void addTo(List<OpCase> all) {
        for (Form f : FORMS) {
            all.add(OpCase.of(
                    "conv2d, " + f.about,
                    d -> List.of(d.normal(f.x), d.normal(f.w), d.normal(f.w[0])),
                    t -> new Conv.Forward(t.get(0), t.get(1), t.get(2), f.geometry),
                    0,
                    1,
                    2));
            all.add(OpCase.of(
                    "conv2d_input_grad, " + f.about,
                    d -> List.of(d.normal(f.y()), d.normal(f.w)),
                    t -> new Conv.InputGrad(t.get(0), t.get(1), Shape.of(f.x), f.geometry),
                    0,
                    1));
            all.add(OpCase.of(
                    "conv2d_weight_grad, " + f.about,
                    d -> List.of(d.normal(f.x), d.normal(f.y())),
                    t -> new Conv.WeightGrad(t.get(0), t.get(1), Shape.of(f.w), f.geometry),
                    0,
                    1));
        }
        all.add(OpCase.of(
                "conv2d without bias, of a view",
                d -> List.of(d.normal(2, 6, 5, 3), d.normal(2, 3, 3, 3)),
                t -> new Conv.Forward(t.get(0).permute(0, 3, 1, 2), t.get(1), null, Geometry.of(1, 1)),
                0,
                1));
    }
}
