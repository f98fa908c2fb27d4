package io.quern.tensor.cpu;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Attention of few queries, one at a time: reads keys and values once, where they lie. For decoding. */
final class AttentionRows {
    private static final int L = Lanes.L;

    /** Below this many multiplications a call stays on its thread. */
    private static final long SERIAL = 1 << 16;

    private AttentionRows() {}

    static void run(Call c, Rows out, long lse) {
        int tasks = c.batch() * c.heads();
        long work = (long) tasks * c.queries() * c.keys() * c.size();
        if (work < SERIAL) {
            for (int t = 0; t < tasks; t++) {
                head(c, t / c.heads(), t % c.heads(), out, lse);
            }
        } else {
            Workers.parallelFor(tasks, t -> head(c, t / c.heads(), t % c.heads(), out, lse));
        }
    }

    private static void head(Call c, int b, int head, Rows out, long lse) {
        if (AttentionMachine.serves(c.size())) {
            AttentionMachine.head(c, b, head, out, lse);
            return;
        }
        int padded = GemmPack.up(Math.max(1, c.keys()), L);
        float[] p = GemmScratch.take(padded);
        float[] q = GemmScratch.take(GemmPack.up(c.size(), L));
        for (int i = 0; i < c.queries(); i++) {
            long to = out.at(b, i, head);
            float logSum = query(c, b, head, i, p, q, to);
            OffHeap.setFloat(lse + Float.BYTES * (((long) b * c.heads() + head) * c.queries() + i), logSum);
        }
        GemmScratch.give(p);
        GemmScratch.give(q);
    }

    private static float query(Call c, int b, int head, int i, float[] p, float[] q, long to) {
        int n = c.visible(i);
        int g = c.keyHead(head);
        OffHeap.read(c.q().at(b, i, head), q, 0, c.size());
        float scale = (float) c.options().scale();
        for (int j = 0; j < n; j++) {
            p[j] = c.hidden(b, j) ? Float.NEGATIVE_INFINITY : scale * dot(q, c.k().at(c.row(b, j), j, g), c.size());
        }
        int padded = GemmPack.up(n, L);
        java.util.Arrays.fill(p, n, padded, Float.NEGATIVE_INFINITY);
        float max = SoftmaxRow.max(p, 0, padded);
        if (max == Float.NEGATIVE_INFINITY) {
            OffHeap.zero(to, (long) Float.BYTES * c.size());
            return max;
        }
        float sum = SoftmaxRow.exp(p, 0, padded, max);
        if (c.options().dropout() > 0) {
            AttentionDropout.apply(c, c.weight(b, head, i), p, 0, n);
        }
        float inverse = 1 / sum;
        for (int d = 0; d < c.size(); d += 4 * L) {
            if (c.size() - d >= 4 * L) {
                wide(c, b, g, d, n, p, inverse, to + (long) Float.BYTES * d);
            } else {
                for (int e = d; e < c.size(); e += L) {
                    narrow(c, b, g, e, n, p, inverse, to + (long) Float.BYTES * e);
                }
            }
        }
        return max + (float) Math.log(sum);
    }

    private static float dot(float[] q, long k, int size) {
        FloatVector s0 = FloatVector.zero(Lanes.F);
        FloatVector s1 = FloatVector.zero(Lanes.F);
        int d = 0;
        for (; d <= size - 2 * L; d += 2 * L) {
            s0 = FloatVector.fromArray(Lanes.F, q, d).fma(Lanes.load(k + 4L * d), s0);
            s1 = FloatVector.fromArray(Lanes.F, q, d + L).fma(Lanes.load(k + 4L * (d + L)), s1);
        }
        for (; d < size; d += L) {
            VectorMask<Float> m = Lanes.first(size - d);
            s0 = FloatVector.fromArray(Lanes.F, q, d, m).fma(Lanes.load(k + 4L * d, m), s0);
        }
        return Lanes.sum(s0.add(s1));
    }

    /**
     * Four vectors of the result: the weighted sum of the values. Two keys in a round make the method too long to be
     * inlined; inside its caller, vectors were boxed in one start out of several.
     */
    private static void wide(Call c, int b, int g, int d, int n, float[] p, float inverse, long to) {
        FloatVector s0 = FloatVector.zero(Lanes.F);
        FloatVector s1 = FloatVector.zero(Lanes.F);
        FloatVector s2 = FloatVector.zero(Lanes.F);
        FloatVector s3 = FloatVector.zero(Lanes.F);
        int j = 0;
        for (; j < n - 1; j += 2) {
            long u = c.v().at(c.row(b, j), j, g) + 4L * d;
            long v = c.v().at(c.row(b, j + 1), j + 1, g) + 4L * d;
            FloatVector x = FloatVector.broadcast(Lanes.F, p[j]);
            FloatVector y = FloatVector.broadcast(Lanes.F, p[j + 1]);
            s0 = y.fma(Lanes.load(v), x.fma(Lanes.load(u), s0));
            s1 = y.fma(Lanes.load(v + 4L * L), x.fma(Lanes.load(u + 4L * L), s1));
            s2 = y.fma(Lanes.load(v + 8L * L), x.fma(Lanes.load(u + 8L * L), s2));
            s3 = y.fma(Lanes.load(v + 12L * L), x.fma(Lanes.load(u + 12L * L), s3));
        }
        for (; j < n; j++) {
            long v = c.v().at(c.row(b, j), j, g) + 4L * d;
            FloatVector w = FloatVector.broadcast(Lanes.F, p[j]);
            s0 = w.fma(Lanes.load(v), s0);
            s1 = w.fma(Lanes.load(v + 4L * L), s1);
            s2 = w.fma(Lanes.load(v + 8L * L), s2);
            s3 = w.fma(Lanes.load(v + 12L * L), s3);
        }
        Lanes.store(s0.mul(inverse), to);
        Lanes.store(s1.mul(inverse), to + 4L * L);
        Lanes.store(s2.mul(inverse), to + 8L * L);
        Lanes.store(s3.mul(inverse), to + 12L * L);
    }

    private static void narrow(Call c, int b, int g, int d, int n, float[] p, float inverse, long to) {
        VectorMask<Float> m = Lanes.first(c.size() - d);
        FloatVector s = FloatVector.zero(Lanes.F);
        for (int j = 0; j < n; j++) {
            long v = c.v().at(c.row(b, j), j, g) + 4L * d;
            s = FloatVector.broadcast(Lanes.F, p[j]).fma(Lanes.load(v, m), s);
        }
        Lanes.store(s.mul(inverse), to, m);
    }
}
