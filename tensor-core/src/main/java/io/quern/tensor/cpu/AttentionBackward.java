package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.AttentionPack.KC;
import static io.quern.tensor.cpu.AttentionPack.R;
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
    /** Queries of a block: four matrices of this many rows of KC weights fit a second-level cache. */
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
        final int plane;
        final float[] logSum = new float[BLOCK];
        final float[] delta = new float[BLOCK];

        float[] keysT; // keys and values transposed, and the keys as panels
        float[] valuesT;
        float[] keys;
        float[] sumK; // gradients [keys, wide]
        float[] sumV;
        float[] sumQ; // gradient of the block of queries [BLOCK, wide]
        float[] q; // the block of queries (scaled) and of dO, as left operands and as panels
        float[] dO;
        float[] qPanels;
        float[] dOPanels;
        float[] p; // weights and gradients of scores [BLOCK, KC], and transposed [KC, KC]
        float[] dS;
        float[] pT;
        float[] dST;
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
            plane = (BLOCK + R) * KC;
        }

        void run() {
            int n = c.keys();
            int stretches = (size + KC - 1) / KC;
            keysT = GemmScratch.take(AttentionPack.transposedLength(c, n) + 1);
            valuesT = GemmScratch.take(AttentionPack.transposedLength(c, n) + 1);
            keys = GemmScratch.take(AttentionPack.panelsLength(c, n) + 1);
            sumK = GemmScratch.take((n + R) * wide + 1);
            sumV = GemmScratch.take((n + R) * wide + 1);
            sumQ = GemmScratch.take((BLOCK + R) * wide + 1);
            q = GemmScratch.take(stretches * plane + 1);
            dO = GemmScratch.take(stretches * plane + 1);
            qPanels = GemmScratch.take(KC * wide + 1);
            dOPanels = GemmScratch.take(KC * wide + 1);
            p = GemmScratch.take(plane);
            dS = GemmScratch.take(plane);
            pT = GemmScratch.take((KC + R) * KC);
            dST = GemmScratch.take((KC + R) * KC);
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
                keysT, valuesT, keys, sumK, sumV, sumQ, q, dO, qPanels, dOPanels, p, dS, pT, dST, tile
            }) {
                GemmScratch.give(a);
            }
        }

        private void queries(int head, int i0, int count) {
            float scale = (float) c.options().scale();
            for (int r = 0; r < count; r++) {
                long from = dOut.at(b, i0 + r, head);
                AttentionPack.left(c.q().at(b, i0 + r, head), size, scale, r, plane, q);
                AttentionPack.left(from, size, 1, r, plane, dO);
                AttentionPack.panelRow(c.q().at(b, i0 + r, head), size, 0, r, qPanels);
                AttentionPack.panelRow(from, size, 0, r, dOPanels);
                logSum[r] = OffHeap.getFloat(
                        lse + Float.BYTES * (((long) b * c.heads() + head) * c.queries() + i0 + r));
                delta[r] = dot(from, out.at(b, i0 + r, head), size);
            }
            Arrays.fill(sumQ, 0, count * wide, 0);
            int n = c.visible(i0 + count - 1);
            for (int j0 = 0; j0 < n; j0 += KC) {
                block(head, i0, count, j0, Math.min(KC, n - j0));
            }
            for (int r = 0; r < count; r++) {
                SoftmaxRow.scale(sumQ, r * wide, wide, scale);
                OffHeap.write(sumQ, r * wide, dq.at(b, i0 + r, head), size);
            }
        }

        private void block(int head, int i0, int count, int j0, int some) {
            for (int r = 0; r < count; r += R) {
                int rows = Math.min(R, count - r);
                int seen = Math.min(some, c.visible(i0 + r + rows - 1) - j0);
                if (seen > 0) {
                    AttentionPack.scores(q, r, plane, rows, keysT, j0, seen, size, tile, p, r * KC);
                    AttentionPack.scores(dO, r, plane, rows, valuesT, j0, seen, size, tile, dS, r * KC);
                }
                for (int k = r; k < r + rows; k++) {
                    weights(head, i0 + k, k, j0, some);
                }
                if (seen > 0) {
                    AttentionPack.product(dS, r * KC, rows, 0, seen, keys, j0 / KC, size, tile, sumQ, r * wide, wide);
                }
            }
            // Rows past the last query are transposed too, whatever they hold; no product reads them.
            for (int r = 0; r < count; r += 16) {
                for (int j = 0; j < some; j += 16) {
                    GemmTranspose.block(p, r * KC + j, KC, pT, j * KC + r, KC);
                    GemmTranspose.block(dS, r * KC + j, KC, dST, j * KC + r, KC);
                }
            }
            for (int j = 0; j < some; j += R) {
                int rows = Math.min(R, some - j);
                int first = Math.max(0, c.firstQuery(j0 + j) - i0);
                if (first < count) {
                    int to = (j0 + j) * wide;
                    AttentionPack.product(pT, j * KC, rows, first, count, dOPanels, 0, size, tile, sumV, to, wide);
                    AttentionPack.product(dST, j * KC, rows, first, count, qPanels, 0, size, tile, sumK, to, wide);
                }
            }
        }

        /** From a row of scores and of dP, the weights (dropped as in the forward run) and the gradients of the scores. */
        private void weights(int head, int i, int r, int j0, int some) {
            int at = r * KC;
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
