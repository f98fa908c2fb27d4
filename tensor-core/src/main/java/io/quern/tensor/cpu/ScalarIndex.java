package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Index;
import java.util.Arrays;

/** Twins of {@link Index}; all but the gradient copy bits, so that every dtype and every NaN stays as it is. */
final class ScalarIndex {
    private ScalarIndex() {}

    static void run(Index op, Tensor[] in, Tensor out) {
        switch (op) {
            case Index.Embedding e -> embedding(in[0], in[1], out);
            case Index.EmbeddingGrad e -> embeddingGrad(in[0], in[1], out);
            case Index.Concat c -> concat(in, c.axis(), out);
            case Index.Pack p -> copy(in[0], out);
        }
    }

    private static void embedding(Tensor table, Tensor ids, Tensor out) {
        long rowBytes = table.dtype().bytes(table.dim(1));
        int[] id = ScalarMemory.readInts(ids);
        if (table.dtype().isQuantized()) {
            quantizedRows(table, ids, id, out);
            return;
        }
        for (int i = 0; i < id.length; i++) {
            checkId("embedding", id[i], i, ids, table.dim(0));
            OffHeap.copy(table.address() + id[i] * rowBytes, out.address() + i * rowBytes, rowBytes);
        }
    }

    private static void quantizedRows(Tensor table, Tensor ids, int[] id, Tensor out) {
        double[] rows = ScalarMemory.read(table);
        int c = table.dim(1);
        double[] x = new double[Math.toIntExact(out.size())];
        for (int i = 0; i < id.length; i++) {
            checkId("embedding", id[i], i, ids, table.dim(0));
            System.arraycopy(rows, id[i] * c, x, i * c, c);
        }
        ScalarMemory.write(x, out);
    }

    private static void embeddingGrad(Tensor ids, Tensor dy, Tensor out) {
        int[] id = ScalarMemory.readInts(ids);
        double[] x = ScalarMemory.read(dy);
        double[] sum = new double[Math.toIntExact(out.size())];
        int c = out.dim(1);
        for (int i = 0; i < id.length; i++) {
            checkId("embedding_grad", id[i], i, ids, out.dim(0));
            for (int j = 0; j < c; j++) {
                sum[id[i] * c + j] += x[i * c + j];
            }
        }
        ScalarMemory.write(sum, out);
    }

    static void checkId(String op, int id, int at, Tensor ids, int rows) {
        if (id < 0 || id >= rows) {
            throw new TensorException(op + ": id " + id + " at " + position(at, ids) + " of " + ids.describe()
                    + " is outside the table, which has the rows 0 to " + (rows - 1));
        }
    }

    private static String position(int at, Tensor t) {
        int[] index = new int[t.shape().rank()];
        int rest = at;
        for (int i = index.length - 1; i >= 0; i--) {
            index[i] = rest % t.dim(i);
            rest /= t.dim(i);
        }
        return Arrays.toString(index);
    }

    private static void concat(Tensor[] parts, int axis, Tensor out) {
        long outer = 1;
        for (int i = 0; i < axis; i++) {
            outer *= out.dim(i);
        }
        long to = out.address();
        for (long o = 0; o < outer; o++) {
            for (Tensor p : parts) {
                long chunk = p.size() / outer * p.dtype().bytes();
                OffHeap.copy(p.address() + o * chunk, to, chunk);
                to += chunk;
            }
        }
    }

    /** Copies the elements of one view to another of equal shape and dtype. */
    static void copy(Tensor from, Tensor to) {
        if (from.isPacked() && to.isPacked()) {
            OffHeap.copy(from.address(), to.address(), from.dtype().bytes(from.size()));
            return;
        }
        int bytes = from.dtype().bytes();
        if (from.size() == 0) {
            return;
        }
        long[] fromRows = ScalarMemory.rowOffsets(from);
        long[] toRows = ScalarMemory.rowOffsets(to);
        int n = (int) (from.size() / fromRows.length);
        for (int r = 0; r < fromRows.length; r++) {
            long source = from.address() + fromRows[r] * bytes;
            long target = to.address() + toRows[r] * bytes;
            for (int j = 0; j < n; j++) {
                OffHeap.copy(source + j * from.stride(-1) * bytes, target + j * to.stride(-1) * bytes, bytes);
            }
        }
    }
}
