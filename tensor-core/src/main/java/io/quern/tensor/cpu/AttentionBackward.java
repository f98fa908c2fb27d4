package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.AttentionPack.KEYS;
import static io.quern.tensor.cpu.AttentionPack.PITCH;
import static io.quern.tensor.cpu.AttentionPack.R;
import static io.quern.tensor.cpu.AttentionPack.STRIDE;
import static io.quern.tensor.cpu.AttentionPack.W;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Gradients of attention. A task is a key head of a sequence with all its query heads, so that each sum has one owner. It
 * goes over blocks of queries and, for each, over blocks of keys, computes the weights P again from the scores and the
 * saved log-sums, and with dP = dO V^T and dS = P (dP - delta), delta being the dot product of dO and O:
 * dV += P^T dO, dQ += dS K, dK += dS^T Q. Overwrites its results. Source: Dao et al., FlashAttention (2022), appendix B.
 */
final class AttentionBackward {
    /** Queries of a block: two matrices of this many rows of KEYS weights fit a second-level cache. */
    private static final int BLOCK = 128;

    private AttentionBackward() {}

    static void run(Call c, Rows out, long lse, Rows dOut, Rows dq, Rows dk, Rows dv) {
        Workers.parallelFor(
                c.batch() * c.keyHeads(),
                t -> new Task(c, t / c.keyHeads(), t % c.keyHeads(), out, lse, dOut, dq, dk, dv).run());
    }

    private static final class Task {
        final Call c;
        final int b;
        final int g;
        final Rows out;
        final long lse;
        final Rows dOut;
        final Rows dq;
        final Rows dk;
        final Rows dv;
        final int size;
        final int wide;
        final int height; // head size rounded up to transposed blocks
        final float[] logSum = new float[BLOCK];
        final float[] delta = new float[BLOCK];

        float[] keysT; // keys and values transposed, and the keys as panels
        float[] valuesT;
        float[] keys;
        float[] sumK; // gradients [keys, wide]
        float[] sumV;
        float[] sumQ; // gradient of the block of queries [BLOCK, wide]
        float[] rows; // of queries or dO
        float[] q; // the block of queries (scaled) and of dO, tile by tile as left operands, and as panels
        float[] dO;
        float[] qPanels;
        float[] dOPanels;
        float[] p; // weights and gradients of scores [BLOCK, KEYS]
        float[] dS;
        float[] left; // a part of either as left operand
        float[] tile;

        Task(Call c, int b, int g, Rows out, long lse, Rows dOut, Rows dq, Rows dk, Rows dv) {
            this.c = c;
            this.b = b;
            this.g = g;
            this.out = out;
            this.lse = lse;
            this.dOut = dOut;
            this.dq = dq;
            this.dk = dk;
            this.dv = dv;
            size = c.size();
            wide = GemmPack.up(size, W);
            height = GemmPack.up(size, AttentionPack.SIDE);
        }

        void run() {
            int n = c.keys();
            int tiles = (BLOCK + R - 1) / R;
            keysT = GemmScratch.take(AttentionPack.transposedLength(c, n) + 1);
            valuesT = GemmScratch.take(AttentionPack.transposedLength(c, n) + 1);
            keys = GemmScratch.take(AttentionPack.panelsLength(c, n) + 1);
            sumK = GemmScratch.take((n + R) * wide + 1);
            sumV = GemmScratch.take((n + R) * wide + 1);
            sumQ = GemmScratch.take((BLOCK + R) * wide + 1);
            rows = GemmScratch.take(PITCH * (height + AttentionPack.SIDE));
            q = GemmScratch.take(tiles * height * PITCH + 1);
            dO = GemmScratch.take(tiles * height * PITCH + 1);
            qPanels = GemmScratch.take(KEYS * wide + 1);
            dOPanels = GemmScratch.take(KEYS * wide + 1);
            p = GemmScratch.take((BLOCK + PITCH) * STRIDE);
            dS = GemmScratch.take((BLOCK + PITCH) * STRIDE);
            left = GemmScratch.take(KEYS * PITCH);
            tile = GemmScratch.take(R * W);
            AttentionPack.transposed(c, c.k(), b, g, n, keysT);
            AttentionPack.transposed(c, c.v(), b, g, n, valuesT);
            AttentionPack.panels(c, c.k(), b, g, n, keys);
            Arrays.fill(sumK, 0, n * wide, 0);
            Arrays.fill(sumV, 0, n * wide, 0);
            int group = c.heads() / c.keyHeads();
            for (int head = g * group; head < (g + 1) * group; head++) {
                for (int i = 0; i < c.queries(); i += BLOCK) {
                    queries(head, i, Math.min(BLOCK, c.queries() - i));
                }
            }
            for (int j = 0; j < n; j++) {
                SoftmaxRow.scale(sumK, j * wide, wide, (float) c.options().scale());
                OffHeap.write(sumK, j * wide, dk.at(b, j, g), size);
                OffHeap.write(sumV, j * wide, dv.at(b, j, g), size);
            }
            for (float[] a : new float[][] {
                keysT, valuesT, keys, sumK, sumV, sumQ, rows, q, dO, qPanels, dOPanels, p, dS, left, tile
            }) {
                GemmScratch.give(a);
            }
        }

        private void queries(int head, int i0, int count) {
            float scale = (float) c.options().scale();
            for (int r = 0; r < count; r++) {
                long from = dOut.at(b, i0 + r, head);
                AttentionPack.panelRow(c.q().at(b, i0 + r, head), size, 0, r, qPanels);
                AttentionPack.panelRow(from, size, 0, r, dOPanels);
                logSum[r] =
                        OffHeap.getFloat(lse + Float.BYTES * (((long) b * c.heads() + head) * c.queries() + i0 + r));
                delta[r] = dot(from, out.at(b, i0 + r, head), size);
            }
            for (int r = 0; r < count; r += R) {
                int some = Math.min(R, count - r);
                left(c.q(), head, i0 + r, some, scale, q, r / R * height * PITCH);
                left(dOut, head, i0 + r, some, 1, dO, r / R * height * PITCH);
            }
            Arrays.fill(sumQ, 0, count * wide, 0);
            int n = c.visible(i0 + count - 1);
            for (int j0 = 0; j0 < n; j0 += KEYS) {
                block(head, i0, count, j0, Math.min(KEYS, n - j0));
            }
            for (int r = 0; r < count; r++) {
                SoftmaxRow.scale(sumQ, r * wide, wide, scale);
                OffHeap.write(sumQ, r * wide, dq.at(b, i0 + r, head), size);
            }
        }

        /** Some rows of queries or dO as the left operand of a tile. */
        private void left(Rows x, int head, int i, int count, float factor, float[] to, int at) {
            int stride = height + AttentionPack.SIDE;
            for (int r = 0; r < count; r++) {
                OffHeap.read(x.at(b, i + r, head), rows, r * stride, size);
                for (int d = r * stride; factor != 1 && d < r * stride + size; d++) {
                    rows[d] *= factor;
                }
            }
            AttentionPack.left(rows, 0, stride, size, to, at);
        }

        private void block(int head, int i0, int count, int j0, int some) {
            for (int r = 0; r < count; r += R) {
                int high = Math.min(R, count - r);
                int panel = r / R * height * PITCH;
                int seen = Math.min(some, c.visible(i0 + r + high - 1) - j0);
                if (seen > 0) {
                    AttentionPack.scores(q, panel, high, keysT, j0, seen, size, tile, p, r * STRIDE);
                    AttentionPack.scores(dO, panel, high, valuesT, j0, seen, size, tile, dS, r * STRIDE);
                }
                for (int k = r; k < r + high; k++) {
                    weights(head, i0 + k, k, j0, some);
                }
                if (seen > 0) {
                    AttentionPack.left(dS, r * STRIDE, STRIDE, seen, left, 0);
                    AttentionPack.product(left, 0, high, 0, seen, keys, j0 / KEYS, size, tile, sumQ, r * wide, wide);
                }
            }
            for (int j = 0; j < some; j += R) {
                int high = Math.min(R, some - j);
                int first = Math.max(0, c.firstQuery(j0 + j) - i0);
                if (first < count) {
                    int to = (j0 + j) * wide;
                    AttentionPack.leftColumns(p, j, first, count, left);
                    AttentionPack.product(left, 0, high, first, count, dOPanels, 0, size, tile, sumV, to, wide);
                    AttentionPack.leftColumns(dS, j, first, count, left);
                    AttentionPack.product(left, 0, high, first, count, qPanels, 0, size, tile, sumK, to, wide);
                }
            }
        }

        /** From a row of scores and of dP, the weights (dropped as in the forward run) and the gradients of the scores. */
        private void weights(int head, int i, int r, int j0, int some) {
            int at = r * STRIDE;
            int padded = GemmPack.up(some, 16);
            int seen = logSum[r] == Float.NEGATIVE_INFINITY ? 0 : Math.max(0, Math.min(some, c.visible(i) - j0));
            int whole = GemmPack.up(seen, Lanes.L);
            Arrays.fill(p, at + seen, at + whole, Float.NEGATIVE_INFINITY);
            Arrays.fill(dS, at + seen, at + whole, 0);
            Arrays.fill(p, at + whole, at + Math.max(whole, padded), 0);
            Arrays.fill(dS, at + whole, at + Math.max(whole, padded), 0);
            if (c.keyMask() != 0) {
                for (int j = 0; j < seen; j++) {
                    if (c.hidden(b, j0 + j)) {
                        p[at + j] = Float.NEGATIVE_INFINITY;
                    }
                }
            }
            SoftmaxRow.exp(p, at, whole, logSum[r]);
            boolean drops = c.options().dropout() > 0;
            if (drops) {
                AttentionDropout.apply(c, c.weight(b, head, i) + j0, dS, at, seen);
            }
            scoreGradient(at, whole, delta[r]);
            if (drops) {
                AttentionDropout.apply(c, c.weight(b, head, i) + j0, p, at, seen);
            }
        }

        /** dS = P (dP - delta). */
        private void scoreGradient(int at, int n, float less) {
            for (int j = 0; j < n; j += Lanes.L) {
                FloatVector w = FloatVector.fromArray(Lanes.F, p, at + j);
                FloatVector d = FloatVector.fromArray(Lanes.F, dS, at + j);
                d.sub(less).mul(w).intoArray(dS, at + j);
            }
        }

        private static float dot(long x, long y, int n) {
            FloatVector s = FloatVector.zero(Lanes.F);
            for (int d = 0; d < n; d += Lanes.L) {
                var m = Lanes.first(n - d);
                s = Lanes.load(x + 4L * d, m).fma(Lanes.load(y + 4L * d, m), s);
            }
            return Lanes.sum(s);
        }
    }
}
