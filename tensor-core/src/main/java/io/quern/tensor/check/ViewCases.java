package io.quern.tensor.check;

import io.quern.tensor.Shape;
import io.quern.tensor.op.View;
import java.util.List;

/** Cases of {@link View}, whose gradients count; kernels have no part in them. */
final class ViewCases {
    private ViewCases() {}

    static void addTo(List<OpCase> all) {
        all.add(OpCase.of(
                        "reshape",
                        d -> List.of(d.normal(4, 6)),
                        t -> new View.Reshape(t.get(0), Shape.of(2, 2, 3, 2)),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "reshape of a transpose",
                        d -> List.of(d.normal(4, 6)),
                        t -> new View.Reshape(t.get(0).transpose(0, 1), Shape.of(8, 3)),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "permute",
                        d -> List.of(d.normal(2, 3, 4)),
                        t -> new View.Permute(t.get(0), List.of(2, 0, 1), Shape.of(4, 2, 3)),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "expand",
                        d -> List.of(d.normal(3, 1, 5)),
                        t -> new View.Expand(t.get(0), Shape.of(2, 3, 4, 5)),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "narrow",
                        d -> List.of(d.normal(3, 7, 5)),
                        t -> new View.Narrow(t.get(0), 1, 2, 4, Shape.of(3, 4, 5)),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "narrow to nothing",
                        d -> List.of(d.normal(3, 7)),
                        t -> new View.Narrow(t.get(0), 1, 7, 0, Shape.of(3, 0)),
                        0)
                .andIntegers());
    }
}
