package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Attention;

/**
 * Attention in F32, flash style: no thread ever holds more of the scores than a block.
 *
 * <p>With few queries (decoding) the cost is reading the keys and values once, see {@link AttentionRows}. With many, both
 * products run on the tiles of matrix products: {@link AttentionMachineForward} and {@link AttentionMachineBackward} where
 * there is machine code, {@link AttentionForward} and {@link AttentionBackward} elsewhere. The results of a
 * query do not depend on the number of threads.
 */
final class AttentionKernels {
    /** From this many queries on, packing keys and values for tiles pays. */
    private static final int TILED = 4;

    private AttentionKernels() {}

    /** Whether queries [B, T, H, D] are so few that they go one at a time. */
    static boolean isRows(Tensor q) {
        return q.dim(1) < TILED;
    }

    /** Address of [N, T, H, D] with a dense innermost dimension; strides in elements. */
    record Rows(long base, long n, long t, long h) {
        static Rows of(Tensor x) {
            return new Rows(x.address(), x.stride(0), x.stride(1), x.stride(2));
        }

        /** {@code before} if it still tells where x is. */
        static Rows of(Tensor x, Rows before) {
            return before.base == x.address()
                            && before.n == x.stride(0)
                            && before.t == x.stride(1)
                            && before.h == x.stride(2)
                    ? before
                    : of(x);
        }

        long at(int i, int time, int head) {
            return base + Float.BYTES * (i * n + time * t + head * h);
        }
    }

    /** Sizes and operands of one call. */
    record Call(
            int batch,
            int queries,
            int keys,
            int heads,
            int keyHeads,
            int size,
            Rows q,
            Rows k,
            Rows v,
            long keyMask,
            long rows,
            Attention.Options options) {

        static Call of(Tensor q, Tensor k, Tensor v, Tensor keyMask, Tensor rows, Attention.Options options) {
            return new Call(
                    q.dim(0),
                    q.dim(1),
                    k.dim(1),
                    q.dim(2),
                    k.dim(2),
                    q.dim(3),
                    Rows.of(q),
                    Rows.of(k),
                    Rows.of(v),
                    keyMask == null ? 0 : keyMask.address(),
                    rows == null ? 0 : rows.address(),
                    options);
        }

        /** The same call after its operands have moved, as views of a cache do. */
        Call moved(Tensor[] in) {
            return new Call(
                    batch,
                    queries,
                    in[1].dim(1),
                    heads,
                    keyHeads,
                    size,
                    Rows.of(in[0], q),
                    Rows.of(in[1], k),
                    Rows.of(in[2], v),
                    in[3] == null ? 0 : in[3].address(),
                    in[4] == null ? 0 : in[4].address(),
                    options);
        }

        /** Whether there is machine code for it, if it has many queries. */
        boolean isForMachine() {
            return AttentionTiles.serves(size, rows != 0, options.scale());
        }

        /** How many keys query i may see. */
        int visible(int i) {
            return options.causal() ? Math.max(0, Math.min(keys, i + 1 + keys - queries)) : keys;
        }

        /** The first query that sees key j. */
        int firstQuery(int j) {
            return options.causal() ? Math.max(0, Math.min(queries, j - (keys - queries))) : 0;
        }

        int keyHead(int head) {
            return head / (heads / keyHeads);
        }

        /** Which row of the keys and values holds key j of sequence b. */
        int row(int b, int j) {
            return rows == 0 ? b : OffHeap.getInt(rows + Integer.BYTES * ((long) b * keys + j));
        }

        boolean hidden(int b, int j) {
            return keyMask != 0 && OffHeap.getInt(keyMask + Integer.BYTES * ((long) b * keys + j)) == 0;
        }

        /** Index of the first weight of a query's row, for dropout. */
        long weight(int b, int head, int i) {
            return (((long) b * heads + head) * queries + i) * keys;
        }

        float dropoutScale() {
            return (float) (1 / (1 - options.dropout()));
        }
    }

    static void forward(Tensor[] in, Tensor[] out, Attention.Options options) {
        forward(Call.of(in[0], in[1], in[2], in[3], in[4], options), in[1], Rows.of(out[0]), out[1].address());
    }

    /** As {@link #forward}, to be repeated on operands that grow. */
    static Runnable prepare(Tensor[] in, Tensor[] out, Attention.Options options) {
        Call c = Call.of(in[0], in[1], in[2], in[3], in[4], options);
        Rows o = Rows.of(out[0]);
        long lse = out[1].address();
        return () -> forward(c.moved(in), in[1], o, lse);
    }

    private static void forward(Call c, Tensor keys, Rows o, long lse) {
        checkRows(c, keys);
        if (c.queries < TILED) {
            AttentionRows.run(c, o, lse);
        } else if (c.isForMachine()) {
            AttentionMachineForward.run(c, o, lse);
        } else {
            AttentionForward.run(c, o, lse);
        }
    }

    static void backward(Tensor[] in, Tensor[] out, Attention.Options options) {
        Call c = Call.of(in[0], in[1], in[2], in[3], null, options);
        Rows o = Rows.of(in[4]);
        long lse = in[5].address();
        Rows dOut = Rows.of(in[6]);
        Rows dq = Rows.of(out[0]);
        Rows dk = Rows.of(out[1]);
        Rows dv = Rows.of(out[2]);
        if (c.isForMachine()) {
            AttentionMachineBackward.run(c, o, lse, dOut, dq, dk, dv);
        } else {
            AttentionBackward.run(c, o, lse, dOut, dq, dk, dv);
        }
    }

    /** A wrong row would be read from anywhere in memory. */
    private static void checkRows(Call c, Tensor k) {
        if (c.rows == 0) {
            return;
        }
        for (int b = 0; b < c.batch; b++) {
            for (int j = 0; j < c.keys; j++) {
                int row = c.row(b, j);
                if (row < 0 || row >= k.dim(0)) {
                    throw new io.quern.tensor.TensorException("attention: rows[" + b + "][" + j + "] is " + row
                            + ", but the keys have " + k.dim(0) + " rows: " + k.describe());
                }
            }
        }
    }
}
