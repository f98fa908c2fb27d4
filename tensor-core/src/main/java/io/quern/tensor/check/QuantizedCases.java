package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.MatMul;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/** Cases with weights of fewer bits than the numbers they meet: casts, products, embeddings. */
final class QuantizedCases {
    private static final List<DType> QUANTIZED = List.of(DType.Q8_0, DType.Q4_0, DType.Q4_K, DType.Q6_K);

    /** M, N, and K in blocks. */
    private static final int[][] SIZES = {{1, 1, 1}, {1, 33, 3}, {2, 7, 1}, {5, 17, 2}, {13, 65, 1}, {0, 3, 1}};

    private QuantizedCases() {}

    static void addTo(List<OpCase> all) {
        for (DType q : QUANTIZED) {
            casts(all, q);
            products(all, q, q.blockSize());
            table(all, q);
        }
        for (DType half : List.of(DType.BF16, DType.F16)) {
            products(all, half, 17);
        }
    }

    private static void casts(List<OpCase> all, DType q) {
        int block = q.blockSize();
        for (int rows : new int[] {0, 1, 3, 40}) {
            all.add(OpCase.of(
                            "cast to " + q + " [" + rows + ", " + 3 * block + "]",
                            d -> List.of(d.normal(rows, 3 * block)),
                            t -> new Elementwise.Cast(t.get(0), q))
                    .andIntegers());
            for (DType to : List.of(DType.F32, DType.F64, DType.BF16, DType.F16, DType.I32, DType.Q8_0)) {
                if (to != q) {
                    add(
                            all,
                            "cast " + q + " [" + rows + ", " + 3 * block + "] to " + to,
                            d -> List.of(d.quantized(q, rows, 3 * block)),
                            t -> new Elementwise.Cast(t.get(0), to));
                }
            }
        }
        add(
                all,
                "cast of rows of " + q,
                d -> List.of(d.quantized(q, 9, block)),
                t -> new Elementwise.Cast(t.get(0).narrow(0, 2, 5), DType.F32));
        add(
                all,
                "pack of " + q,
                d -> List.of(d.quantized(q, 9, block)),
                t -> new Index.Pack(t.get(0).narrow(0, 2, 5)));
    }

    private static void products(List<OpCase> all, DType type, int block) {
        for (int[] s : SIZES) {
            int m = s[0];
            int n = s[1];
            int k = s[2] * block;
            add(
                    all,
                    "matmul " + m + " x " + k + " x " + n + ", b " + type,
                    d -> List.of(d.normal(m, k), weight(d, type, n, k)),
                    t -> new MatMul(t.get(0), t.get(1).transpose(0, 1), null),
                    0);
            add(
                    all,
                    "matmul " + m + " x " + k + " x " + n + ", b " + type + ", with bias",
                    d -> List.of(d.normal(m, k), weight(d, type, n, k), d.normal(n)),
                    t -> new MatMul(t.get(0), t.get(1).transpose(0, 1), t.get(2)),
                    0,
                    2);
        }
        add(
                all,
                "matmul [2, 3, " + block + "] x b " + type,
                d -> List.of(d.normal(2, 3, block), weight(d, type, 5, block)),
                t -> new MatMul(t.get(0), t.get(1).transpose(0, 1), null),
                0);
        add(
                all,
                "matmul of views, b " + type,
                d -> List.of(d.normal(4, 3, block), weight(d, type, 9, block)),
                t -> new MatMul(
                        t.get(0).transpose(0, 1), t.get(1).narrow(0, 1, 7).transpose(0, 1), null),
                0);
        if (!type.isQuantized()) {
            add(
                    all,
                    "matmul with b " + type + ", not transposed",
                    d -> List.of(d.normal(3, 20), weight(d, type, 20, 33)),
                    t -> new MatMul(t.get(0), t.get(1), null),
                    0);
        }
    }

    private static Tensor weight(Draw d, DType type, int n, int k) {
        return type.isQuantized() ? d.quantized(type, n, k) : d.normal(type, n, k);
    }

    private static void table(List<OpCase> all, DType q) {
        add(
                all,
                "embedding in " + q,
                d -> List.of(d.quantized(q, 11, 2 * q.blockSize()), d.ints(11, 2, 7)),
                t -> new Index.Embedding(t.get(0), t.get(1)));
        add(
                all,
                "embedding of no ids in " + q,
                d -> List.of(d.quantized(q, 11, q.blockSize()), d.ints(11, 0)),
                t -> new Index.Embedding(t.get(0), t.get(1)));
    }

    /** A case whose other operands are F32. */
    private static void add(
            List<OpCase> all,
            String name,
            Function<Draw, List<Tensor>> operands,
            Function<List<Tensor>, io.quern.tensor.op.Op> build,
            Integer... differentiable) {
        all.add(new OpCase(name, EnumSet.of(DType.F32), Set.of(differentiable), operands, build));
    }
}
