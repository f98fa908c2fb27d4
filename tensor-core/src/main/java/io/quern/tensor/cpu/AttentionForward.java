package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.AttentionPack.KEYS;
import static io.quern.tensor.cpu.AttentionPack.PITCH;
import static io.quern.tensor.cpu.AttentionPack.R;
import static io.quern.tensor.cpu.AttentionPack.STRIDE;
import static io.quern.tensor.cpu.AttentionPack.W;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import java.util.Arrays;

/**
 * Attention of many queries. A task is a head of a sequence, or a part of its queries where there are many; it packs the
 * keys and values that its queries see, and goes through its queries a tile of rows at a time, each over the keys in
 * blocks of KEYS: scores, softmax with the running maximum and sum of Milakov and Gimelshein (2018), weighted sum of values.
 */
final class AttentionForward {
    /** Queries of a task at most; packing costs about a hundredth of this many queries. */
    private static final int PART = 512;

    private AttentionForward() {}

    static void run(Call c, Rows out, long lse) {
        int parts = (c.queries() + PART - 1) / PART;
        int perPart = GemmPack.up((c.queries() + parts - 1) / parts, R);
        int tasks = c.batch() * c.heads() * parts;
        Workers.parallelFor(tasks, t -> {
            int head = t / parts % c.heads();
            int b = t / parts / c.heads();
            // Causal parts grow; the longest go first.
            int first = (parts - 1 - t % parts) * perPart;
            new Task(c, b, head, out, lse).run(first, Math.min(c.queries(), first + perPart));
        });
    }

    private static final class Task {
        final Call c;
        final int b;
        final int head;
        final Rows out;
        final long lse;
        final int size;
        final int wide; // head size rounded up to tiles
        final int height; // head size rounded up to transposed blocks
        final float[] max = new float[R];
        final float[] sum = new float[R];
        float[] keys;
        float[] values;
        float[] rows; // of the queries
        float[] q;
        float[] p;
        float[] weights; // p as a left operand
        float[] o;
        float[] tile;

        Task(Call c, int b, int head, Rows out, long lse) {
            this.c = c;
            this.b = b;
            this.head = head;
            this.out = out;
            this.lse = lse;
            size = c.size();
            wide = GemmPack.up(size, W);
            height = GemmPack.up(size, AttentionPack.SIDE);
        }

        void run(int first, int end) {
            if (first >= end) {
                return;
            }
            int n = c.visible(end - 1);
            int g = c.keyHead(head);
            keys = GemmScratch.take(Math.max(1, AttentionPack.transposedLength(c, n)));
            values = GemmScratch.take(Math.max(1, AttentionPack.panelsLength(c, n)));
            rows = GemmScratch.take(PITCH * (height + AttentionPack.SIDE));
            q = GemmScratch.take(Math.max(1, height * PITCH));
            p = GemmScratch.take(PITCH * STRIDE);
            weights = GemmScratch.take(KEYS * PITCH);
            o = GemmScratch.take(R * wide + 1);
            tile = GemmScratch.take(R * W);
            AttentionPack.transposed(c, c.k(), b, g, n, keys);
            AttentionPack.panels(c, c.v(), b, g, n, values);
            for (int i = first; i < end; i += R) {
                tile(i, Math.min(R, end - i));
            }
            for (float[] a : new float[][] {keys, values, rows, q, p, weights, o, tile}) {
                GemmScratch.give(a);
            }
        }

        private void tile(int i0, int count) {
            int stride = height + AttentionPack.SIDE;
            for (int r = 0; r < count; r++) {
                OffHeap.read(c.q().at(b, i0 + r, head), rows, r * stride, size);
                scale(rows, r * stride, size);
            }
            AttentionPack.left(rows, 0, stride, size, q, 0);
            Arrays.fill(o, 0, R * wide, 0);
            Arrays.fill(max, Float.NEGATIVE_INFINITY);
            Arrays.fill(sum, 0);
            int n = c.visible(i0 + count - 1);
            for (int j0 = 0; j0 < n; j0 += KEYS) {
                int some = Math.min(KEYS, n - j0);
                AttentionPack.scores(q, 0, count, keys, j0, some, size, tile, p, 0);
                for (int r = 0; r < count; r++) {
                    softmax(i0 + r, r, j0, some);
                }
                AttentionPack.left(p, 0, STRIDE, some, weights, 0);
                AttentionPack.product(weights, 0, count, 0, some, values, j0 / KEYS, size, tile, o, 0, wide);
            }
            for (int r = 0; r < count; r++) {
                finish(i0 + r, r);
            }
        }

        private void scale(float[] x, int at, int n) {
            float factor = (float) c.options().scale();
            for (int d = at; d < at + n; d++) {
                x[d] *= factor;
            }
        }

        /** Turns the scores of a row into weights relative to the running maximum, and what came before to match. */
        private void softmax(int i, int r, int j0, int some) {
            int at = r * STRIDE;
            int seen = Math.max(0, Math.min(some, c.visible(i) - j0));
            Arrays.fill(p, at + seen, at + GemmPack.up(some, Lanes.L), Float.NEGATIVE_INFINITY);
            if (c.keyMask() != 0) {
                for (int j = 0; j < seen; j++) {
                    if (c.hidden(b, j0 + j)) {
                        p[at + j] = Float.NEGATIVE_INFINITY;
                    }
                }
            }
            int padded = GemmPack.up(some, Lanes.L);
            float top = Math.max(max[r], SoftmaxRow.max(p, at, padded));
            if (top == Float.NEGATIVE_INFINITY) {
                Arrays.fill(p, at, at + padded, 0); // nothing seen yet
                return;
            }
            float s = SoftmaxRow.exp(p, at, padded, top);
            if (max[r] != top) {
                if (max[r] != Float.NEGATIVE_INFINITY) { // else there is nothing to shrink
                    float shrink = (float) Math.exp(max[r] - top);
                    sum[r] *= shrink;
                    SoftmaxRow.scale(o, r * wide, wide, shrink);
                }
                max[r] = top;
            }
            sum[r] += s;
            if (c.options().dropout() > 0) {
                AttentionDropout.apply(c, c.weight(b, head, i) + j0, p, at, seen);
            }
        }

        private void finish(int i, int r) {
            long to = out.at(b, i, head);
            long l = lse + Float.BYTES * (((long) b * c.heads() + head) * c.queries() + i);
            if (max[r] == Float.NEGATIVE_INFINITY) {
                OffHeap.zero(to, (long) Float.BYTES * size);
                OffHeap.setFloat(l, Float.NEGATIVE_INFINITY);
                return;
            }
            SoftmaxRow.scale(o, r * wide, wide, 1 / sum[r]);
            OffHeap.write(o, r * wide, to, size);
            OffHeap.setFloat(l, max[r] + (float) Math.log(sum[r]));
        }
    }
}
