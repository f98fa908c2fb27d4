package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Index;
import io.quern.tensor.quant.Blocks;

/** Operations that move elements; all but the gradient copy bits, in every dtype. */
final class IndexKernels {
    /** Bytes of a task: some 10 microseconds. */
    private static final long TASK_BYTES = 1 << 18;

    /** Columns of a table's gradient that a task sums. */
    private static final int COLUMNS = 128;

    private IndexKernels() {}

    static void run(Index op, Tensor[] in, Tensor out) {
        switch (op) {
            case Index.Embedding e -> embedding(in[0], in[1], out);
            case Index.EmbeddingGrad e -> embeddingGrad(in[0], in[1], out);
            case Index.Concat c -> concat(in, c.axis(), out);
            case Index.Pack p -> CopyKernels.copy(in[0], out);
        }
    }

    private static int[] ids(String op, Tensor ids, int rows) {
        int[] id = new int[Math.toIntExact(ids.size())];
        OffHeap.read(ids.address(), id, 0, id.length);
        for (int i = 0; i < id.length; i++) {
            ScalarIndex.checkId(op, id[i], i, ids, rows);
        }
        return id;
    }

    private static void embedding(Tensor table, Tensor ids, Tensor out) {
        int[] id = ids("embedding", ids, table.dim(0));
        if (table.dtype().isQuantized()) {
            quantizedRows(table, id, out);
            return;
        }
        long rowBytes = (long) table.dim(1) * table.dtype().bytes();
        long from = table.address();
        long to = out.address();
        Workers.ranges(id.length, Math.max(1, TASK_BYTES / Math.max(1, rowBytes)), (first, end) -> {
            for (int i = (int) first; i < end; i++) {
                OffHeap.copy(from + id[i] * rowBytes, to + i * rowBytes, rowBytes);
            }
        });
    }

    private static void quantizedRows(Tensor table, int[] id, Tensor out) {
        DType type = table.dtype();
        int c = table.dim(1);
        int rowBytes = (int) type.bytes(c);
        long from = table.address();
        long to = out.address();
        Workers.ranges(id.length, Math.max(1, ElementwiseKernels.CHUNK / Math.max(1, c)), (first, end) -> {
            byte[] blocks = new byte[rowBytes];
            float[] row = GemmScratch.take(Math.max(1, c));
            for (int i = (int) first; i < end; i++) {
                OffHeap.read(from + (long) id[i] * rowBytes, blocks, 0, rowBytes);
                Blocks.dequantize(type, blocks, 0, c, row, 0);
                OffHeap.write(row, 0, to + 4L * i * c, c);
            }
            GemmScratch.give(row);
        });
    }

    /** Overwrites. Each task adds up some columns of all rows in the order of the ids, so the sums do not depend on threads. */
    private static void embeddingGrad(Tensor ids, Tensor dy, Tensor out) {
        int rows = out.dim(0);
        int c = out.dim(1);
        int[] id = ids("embedding_grad", ids, rows);
        long to = out.address();
        long from = dy.address();
        Workers.ranges(4 * out.size(), TASK_BYTES, (first, end) -> OffHeap.zero(to + first, end - first));
        int blocks = (c + COLUMNS - 1) / COLUMNS;
        boolean small = (long) id.length * c <= ElementwiseKernels.CHUNK;
        int step = small ? Math.max(1, c) : COLUMNS;
        Workers.parallelFor(small ? 1 : blocks, b -> {
            int first = b * step;
            int n = Math.min(step, c - first);
            for (int i = 0; i < id.length; i++) {
                long target = to + 4 * ((long) id[i] * c + first);
                long source = from + 4 * ((long) i * c + first);
                BinaryKernels.run(io.quern.tensor.op.Elementwise.BinaryKind.ADD, target, source, target, n);
            }
        });
    }

    private static void concat(Tensor[] parts, int axis, Tensor out) {
        if (out.size() == 0) {
            return;
        }
        long outer = 1;
        for (int i = 0; i < axis; i++) {
            outer *= out.dim(i);
        }
        long row = out.size() / outer * out.dtype().bytes();
        long at = 0;
        for (Tensor p : parts) {
            long piece = p.size() / outer * p.dtype().bytes();
            long from = p.address();
            long to = out.address() + at;
            if (piece > TASK_BYTES) {
                for (long o = 0; o < outer; o++) {
                    copy(from + o * piece, to + o * row, piece);
                }
            } else if (piece > 0) {
                Workers.ranges(outer, TASK_BYTES / piece, (first, end) -> {
                    for (long o = first; o < end; o++) {
                        OffHeap.copy(from + o * piece, to + o * row, piece);
                    }
                });
            }
            at += piece;
        }
    }

    private static void copy(long from, long to, long bytes) {
        Workers.ranges(bytes, TASK_BYTES, (first, end) -> OffHeap.copy(from + first, to + first, end - first));
    }
}
