package io.quern.tensor.check;

import io.quern.tensor.Shape;
import io.quern.tensor.op.Index;
import java.util.List;

/** Cases of {@link Index}. */
final class IndexCases {
    private IndexCases() {}

    static void addTo(List<OpCase> all) {
        for (int c : OpCatalog.LENGTHS) {
            all.add(OpCase.of(
                            "embedding of width " + c,
                            d -> List.of(d.normal(11, c), d.ints(11, 2, 7)),
                            t -> new Index.Embedding(t.get(0), t.get(1)),
                            0)
                    .andIntegers());
            all.add(OpCase.of(
                    "embedding_grad of width " + c,
                    d -> List.of(d.ints(5, 4, 7), d.normal(4, 7, c)),
                    t -> new Index.EmbeddingGrad(t.get(0), t.get(1), 6)));
        }
        all.add(OpCase.of(
                "embedding_grad of many ids",
                d -> List.of(d.ints(5, 2, 550), d.normal(2, 550, 3)),
                t -> new Index.EmbeddingGrad(t.get(0), t.get(1), 6)));
        all.add(OpCase.of(
                "embedding_grad of wide rows",
                d -> List.of(d.ints(3, 7), d.normal(7, 1030)),
                t -> new Index.EmbeddingGrad(t.get(0), t.get(1), 4)));
        all.add(OpCase.of(
                "embedding of one id",
                d -> List.of(d.normal(5, 3), d.ints(new int[] {}, 4)),
                t -> new Index.Embedding(t.get(0), t.get(1)),
                0));
        all.add(OpCase.of(
                "embedding of no ids",
                d -> List.of(d.normal(5, 3), d.ints(5, 2, 0)),
                t -> new Index.Embedding(t.get(0), t.get(1)),
                0));
        concat(all);
        pack(all);
    }

    private static void concat(List<OpCase> all) {
        for (int axis = 0; axis < 3; axis++) {
            int a = axis;
            all.add(OpCase.of(
                            "concat over axis " + axis,
                            d -> List.of(
                                    d.normal(Shape.of(3, 4, 5).with(a, 2).dims()),
                                    d.normal(Shape.of(3, 4, 5).with(a, 17).dims()),
                                    d.normal(Shape.of(3, 4, 5).with(a, 0).dims())),
                            t -> new Index.Concat(t, a),
                            0,
                            1,
                            2)
                    .andIntegers());
        }
        all.add(OpCase.of(
                        "concat of views",
                        d -> List.of(d.normal(5, 3), d.normal(3, 9)),
                        t -> new Index.Concat(
                                List.of(t.get(0).transpose(0, 1), t.get(1).narrow(1, 2, 4)), 1),
                        0,
                        1)
                .andIntegers());
        all.add(OpCase.of("concat of one", d -> List.of(d.normal(7)), t -> new Index.Concat(t, 0), 0));
    }

    private static void pack(List<OpCase> all) {
        all.add(OpCase.of("pack of a scalar", d -> List.of(d.normal()), t -> new Index.Pack(t.get(0)), 0)
                .andIntegers());
        all.add(OpCase.of("pack of packed", d -> List.of(d.normal(3, 65)), t -> new Index.Pack(t.get(0)), 0)
                .andIntegers());
        all.add(OpCase.of("pack of nothing", d -> List.of(d.normal(3, 0)), t -> new Index.Pack(t.get(0)), 0)
                .andIntegers());
        for (int n : OpCatalog.LENGTHS) {
            all.add(OpCase.of(
                            "pack of a transpose of width " + n,
                            d -> List.of(d.normal(n, 7)),
                            t -> new Index.Pack(t.get(0).transpose(0, 1)),
                            0)
                    .andIntegers());
            all.add(OpCase.of(
                            "pack of a slice of width " + n,
                            d -> List.of(d.normal(5, n + 3)),
                            t -> new Index.Pack(t.get(0).narrow(1, 2, n)),
                            0)
                    .andIntegers());
        }
        all.add(OpCase.of(
                        "pack of a permutation",
                        d -> List.of(d.normal(2, 3, 4, 5)),
                        t -> new Index.Pack(t.get(0).permute(3, 1, 0, 2)),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "pack of heads",
                        d -> List.of(d.normal(2, 5, 3, 16)),
                        t -> new Index.Pack(t.get(0).transpose(1, 2)),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "pack of a repetition",
                        d -> List.of(d.normal(3, 1, 5)),
                        t -> new Index.Pack(t.get(0).expand(Shape.of(2, 3, 4, 5))),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "pack of a repeated scalar",
                        d -> List.of(d.normal()),
                        t -> new Index.Pack(t.get(0).expand(Shape.of(33))),
                        0)
                .andIntegers());
        all.add(OpCase.of(
                        "pack of every other element",
                        d -> List.of(d.normal(33, 2)),
                        t -> new Index.Pack(t.get(0).select(1, 1)),
                        0)
                .andIntegers());
    }
}
