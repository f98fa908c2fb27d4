package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.x86.GemmTileCode.ROWS;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import io.quern.tensor.cpu.x86.AttentionWeightsCode;

/** The gradients of {@link AttentionBackward} by machine code, with the same tasks; a block of queries takes all keys at once. */
final class AttentionMachineBackward {
    private final Call c;
    private final int b;
    private final int g;
    private final Rows out;
    private final long lse;
    private final Rows dOut;
    private final Rows dq;
    private final Rows dk;
    private final Rows dv;

    private AttentionMachineBackward(Call c, int b, int g, Rows out, long lse, Rows dOut, Rows dq, Rows dk, Rows dv) {
        this.c = c;
        this.b = b;
        this.g = g;
        this.out = out;
        this.lse = lse;
        this.dOut = dOut;
        this.dq = dq;
        this.dk = dk;
        this.dv = dv;
    }

    static void run(Call c, Rows out, long lse, Rows dOut, Rows dq, Rows dk, Rows dv) {
        Workers.parallelFor(
                c.batch() * c.keyHeads(),
                t -> new AttentionMachineBackward(c, t / c.keyHeads(), t % c.keyHeads(), out, lse, dOut, dq, dk, dv)
                        .keyHead());
    }

    private void keyHead() {
        int n = c.keys();
        long row = (long) Float.BYTES * c.size();
        for (int j = 0; j < n; j++) {
            OffHeap.zero(dk.at(b, j, g), row);
            OffHeap.zero(dv.at(b, j, g), row);
        }
        int high = AttentionTiles.blockRows(n);
        long panels = AttentionTiles.panelFloats(n, c.size());
        long scores = high * AttentionTiles.rowBytes(n) / Float.BYTES;
        long queries = AttentionTiles.panelFloats(high, c.size());
        long parameters = AttentionWeightsCode.PARAMETERS / Float.BYTES;
        try (AttentionTiles tiles = new AttentionTiles(3 * panels + 2 * scores + 2 * queries + parameters, 8)) {
            Block block = new Block(
                    tiles,
                    tiles.take(panels),
                    tiles.take(panels),
                    tiles.take(panels),
                    tiles.take(scores),
                    tiles.take(scores),
                    tiles.take(queries),
                    tiles.take(queries),
                    tiles.take(parameters));
            block.keys();
            int group = c.heads() / c.keyHeads();
            for (int head = g * group; head < (g + 1) * group; head++) {
                for (int i = 0; i < c.queries(); i += high) {
                    block.queries(head, i, Math.min(high, c.queries() - i));
                }
            }
        }
    }

    /** Addresses: panels of keys and values, matrices of weights and of the scores' gradients, panels of queries. */
    private final class Block {
        private final AttentionTiles tiles;
        private final long keyColumns;
        private final long valueColumns;
        private final long keyRows;
        private final long weights;
        private final long gradients;
        private final long queryRows;
        private final long outRows;
        private final long parameters;
        private final long step = AttentionTiles.rowBytes(c.keys());

        Block(
                AttentionTiles tiles,
                long keyColumns,
                long valueColumns,
                long keyRows,
                long weights,
                long gradients,
                long queryRows,
                long outRows,
                long parameters) {
            this.tiles = tiles;
            this.keyColumns = keyColumns;
            this.valueColumns = valueColumns;
            this.keyRows = keyRows;
            this.weights = weights;
            this.gradients = gradients;
            this.queryRows = queryRows;
            this.outRows = outRows;
            this.parameters = parameters;
        }

        void keys() {
            int n = c.keys();
            if (n > 0) {
                tiles.columns(c.k(), b, g, c.size(), 0, n, keyColumns);
                tiles.columns(c.v(), b, g, c.size(), 0, n, valueColumns);
                tiles.rows(c.k(), b, g, c.size(), 0, n, keyRows);
            }
            OffHeap.setFloat(
                    parameters + AttentionWeightsCode.SCALE, (float) c.options().scale());
            OffHeap.setLong(parameters + AttentionWeightsCode.SIZE, (long) Float.BYTES * c.size());
        }

        void queries(int head, int i, int count) {
            int n = c.keys();
            tiles.scores(c, c.q(), b, head, i, count, n, keyColumns, weights, step);
            tiles.scores(c, dOut, b, head, i, count, n, valueColumns, gradients, step);
            for (int r = 0; r < count; r++) {
                row(head, i + r, r, c.visible(i + count - 1));
            }
            tiles.sums(c, dq, b, head, i, count, n, keyRows, gradients, step);
            tiles.rows(c.q(), b, head, c.size(), i, count, queryRows);
            tiles.rows(dOut, b, head, c.size(), i, count, outRows);
            tiles.transposedSums(c, dv, b, g, i, count, outRows, weights, step);
            tiles.transposedSums(c, dk, b, g, i, count, queryRows, gradients, step);
        }

        /** Tiles of queries, and of keys, go beyond what a query sees by less than their rows. */
        private void row(int head, int i, int r, int seen) {
            float logSum = OffHeap.getFloat(lse + Float.BYTES * (((long) b * c.heads() + head) * c.queries() + i));
            OffHeap.setFloat(parameters + AttentionWeightsCode.LOG_SUM, logSum);
            OffHeap.setLong(parameters + AttentionWeightsCode.OUT, out.at(b, i, head));
            OffHeap.setLong(parameters + AttentionWeightsCode.OUT_GRADIENT, dOut.at(b, i, head));
            int visible = c.visible(i);
            AttentionCodes.gradient(
                    c,
                    b,
                    head,
                    i,
                    parameters,
                    weights + r * step,
                    gradients + r * step,
                    logSum == Float.NEGATIVE_INFINITY ? 0 : visible,
                    Math.min(seen, visible + ROWS));
        }
    }
}
