package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.x86.GemmTileCode.ROWS;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import io.quern.tensor.cpu.x86.AttentionWeightsCode;

/**
 * Attention of many queries by machine code. A task is a head of a sequence, or a part of its queries where there are many; it
 * packs the keys and values that its queries see, and goes through its queries in blocks: scores, softmax, weighted sum of
 * values. The scores of a block stay in the second-level cache, so the softmax need not run along with them.
 */
final class AttentionMachineForward {
    /** Queries of a task at most; packing costs about a hundredth of this many queries. */
    private static final int PART = 504;

    private final Call c;
    private final int b;
    private final int head;
    private final Rows out;
    private final long lse;

    private AttentionMachineForward(Call c, int b, int head, Rows out, long lse) {
        this.c = c;
        this.b = b;
        this.head = head;
        this.out = out;
        this.lse = lse;
    }

    static void run(Call c, Rows out, long lse) {
        int parts = Math.ceilDiv(c.queries(), PART);
        int perPart = GemmPack.up(Math.ceilDiv(c.queries(), parts), ROWS);
        Workers.parallelFor(c.batch() * c.heads() * parts, t -> {
            int head = t / parts % c.heads();
            int b = t / parts / c.heads();
            // Causal parts grow; the longest go first.
            int first = (parts - 1 - t % parts) * perPart;
            int end = Math.min(c.queries(), first + perPart);
            if (first < end) {
                new AttentionMachineForward(c, b, head, out, lse).queries(first, end);
            }
        });
    }

    private void queries(int first, int end) {
        int n = c.visible(end - 1);
        int g = c.keyHead(head);
        int high = AttentionTiles.blockRows(n);
        long step = AttentionTiles.rowBytes(n);
        long panels = AttentionTiles.panelFloats(n, c.size());
        long parameterFloats = AttentionWeightsCode.PARAMETERS / Float.BYTES;
        try (AttentionTiles tiles = new AttentionTiles(2 * panels + high * step / Float.BYTES + parameterFloats, 4)) {
            long keys = tiles.take(panels);
            long values = tiles.take(panels);
            long scores = tiles.take(high * step / Float.BYTES);
            long parameters = tiles.take(parameterFloats);
            OffHeap.setFloat(
                    parameters + AttentionWeightsCode.SCALE, (float) c.options().scale());
            if (n > 0) {
                tiles.columns(c.k(), b, g, c.size(), 0, n, keys);
                tiles.rows(c.v(), b, g, c.size(), 0, n, values);
            }
            for (int i = first; i < end; i += high) {
                int count = Math.min(high, end - i);
                tiles.scores(c, c.q(), b, head, i, count, n, keys, scores, step);
                weights(i, count, parameters, scores, step);
                tiles.sums(c, out, b, head, i, count, n, values, scores, step);
            }
        }
    }

    private void weights(int i, int count, long parameters, long scores, long step) {
        for (int r = 0; r < count; r++) {
            // The tile's sums go as far as its last query sees.
            int zeroTo = c.visible(i + Math.min(count, r / ROWS * ROWS + ROWS) - 1);
            float logSum =
                    AttentionCodes.softmax(c, b, head, i + r, parameters, scores + r * step, c.visible(i + r), zeroTo);
            OffHeap.setFloat(lse + Float.BYTES * (((long) b * c.heads() + head) * c.queries() + i + r), logSum);
        }
    }
}
