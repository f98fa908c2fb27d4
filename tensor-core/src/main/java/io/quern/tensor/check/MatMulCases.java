package io.quern.tensor.check;

import io.quern.tensor.op.MatMul;
import java.util.Arrays;
import java.util.List;

/** Cases of {@link MatMul}: M x K times K x N around the sizes of tiles, layouts, batches and bias. */
final class MatMulCases {
    private static final int[][] SIZES = {
        {1, 1, 1},
        {1, 64, 1},
        {1, 65, 33},
        {2, 3, 4},
        {5, 1, 7},
        {6, 16, 64},
        {7, 17, 65},
        {13, 33, 15},
        {31, 64, 17},
        {1, 300, 130},
        {130, 70, 1},
        {25, 600, 70},
    };

    private MatMulCases() {}

    static void addTo(List<OpCase> all) {
        for (int[] s : SIZES) {
            int m = s[0];
            int k = s[1];
            int n = s[2];
            String size = m + " x " + k + " x " + n;
            for (int layout = 0; layout < 4; layout++) {
                boolean ta = (layout & 1) != 0;
                boolean tb = (layout & 2) != 0;
                all.add(OpCase.of(
                        "matmul " + size + (ta ? ", a transposed" : "") + (tb ? ", b transposed" : ""),
                        d -> List.of(ta ? d.normal(k, m) : d.normal(m, k), tb ? d.normal(n, k) : d.normal(k, n)),
                        t -> new MatMul(
                                ta ? t.get(0).transpose(0, 1) : t.get(0),
                                tb ? t.get(1).transpose(0, 1) : t.get(1),
                                null),
                        0,
                        1));
            }
            all.add(OpCase.of(
                    "matmul " + size + " with bias",
                    d -> List.of(d.normal(m, k), d.normal(k, n), d.normal(n)),
                    t -> new MatMul(t.get(0), t.get(1), t.get(2)),
                    0,
                    1,
                    2));
        }
        batches(all);
        views(all);
        for (int[] s : new int[][] {{0, 3, 4}, {3, 0, 4}, {3, 4, 0}}) {
            all.add(OpCase.of(
                    "matmul of nothing " + s[0] + " x " + s[1] + " x " + s[2],
                    d -> List.of(d.normal(s[0], s[1]), d.normal(s[1], s[2]), d.normal(s[2])),
                    t -> new MatMul(t.get(0), t.get(1), t.get(2)),
                    0,
                    1,
                    2));
        }
    }

    private static void batches(List<OpCase> all) {
        int[][][] pairs = {
            {{3, 5, 7}, {7, 9}},
            {{5, 7}, {3, 7, 9}},
            {{3, 5, 7}, {3, 7, 9}},
            {{2, 3, 5, 17}, {2, 3, 17, 4}},
            {{2, 3, 5, 7}, {3, 7, 4}},
            {{2, 1, 5, 7}, {1, 3, 7, 4}},
            {{1, 5, 7}, {3, 7, 4}},
            {{2, 3, 1, 16}, {16, 33}},
            {{0, 5, 7}, {7, 4}},
        };
        for (int[][] p : pairs) {
            all.add(OpCase.of(
                    "matmul " + Arrays.toString(p[0]) + " x " + Arrays.toString(p[1]),
                    d -> List.of(d.normal(p[0]), d.normal(p[1])),
                    t -> new MatMul(t.get(0), t.get(1), null),
                    0,
                    1));
        }
        all.add(OpCase.of(
                "matmul [2, 5, 7] x [7, 9] with bias",
                d -> List.of(d.normal(2, 5, 7), d.normal(7, 9), d.normal(9)),
                t -> new MatMul(t.get(0), t.get(1), t.get(2)),
                0,
                1,
                2));
        all.add(OpCase.of(
                "matmul of a repeated batch",
                d -> List.of(d.normal(1, 5, 7), d.normal(3, 7, 4)),
                t -> new MatMul(t.get(0).expand(io.quern.tensor.Shape.of(3, 5, 7)), t.get(1), null),
                0,
                1));
    }

    /** Operands as attention and sliced caches have them. */
    private static void views(List<OpCase> all) {
        all.add(OpCase.of(
                "matmul of head views",
                d -> List.of(d.normal(2, 5, 3, 16), d.normal(2, 6, 3, 16)),
                t -> new MatMul(t.get(0).permute(0, 2, 1, 3), t.get(1).permute(0, 2, 3, 1), null),
                0,
                1));
        all.add(OpCase.of(
                "matmul of column slices",
                d -> List.of(d.normal(7, 40), d.normal(17, 50)),
                t -> new MatMul(t.get(0).narrow(1, 3, 17), t.get(1).narrow(1, 1, 33), null),
                0,
                1));
        all.add(OpCase.of(
                "matmul of row slices, b transposed",
                d -> List.of(d.normal(9, 17), d.normal(50, 17)),
                t -> new MatMul(
                        t.get(0).narrow(0, 2, 5), t.get(1).narrow(0, 1, 33).transpose(0, 1), null),
                0,
                1));
        all.add(OpCase.of(
                "matmul of a view without unit stride",
                d -> List.of(d.normal(5, 7, 2), d.normal(7, 9)),
                t -> new MatMul(t.get(0).select(2, 1), t.get(1), null),
                0,
                1));
        all.add(OpCase.of(
                "matmul with a sliced bias",
                d -> List.of(d.normal(5, 7), d.normal(7, 9), d.normal(9, 2)),
                t -> new MatMul(t.get(0), t.get(1), t.get(2).select(1, 1)),
                0,
                1,
                2));
    }
}
