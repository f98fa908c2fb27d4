package io.quern.tensor.cpu;

import io.quern.tensor.Rng;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;

/** Twins of {@link Attention}: B batch, T queries, S keys, H query heads, G key heads, D head size. */
final class ScalarAttention {
    private final Attention.Options options;
    private final int batch;
    private final int queries;
    private final int keys;
    private final int heads;
    private final int keyHeads;
    private final int size;
    private final int cacheRows;
    private final double[] q;
    private final double[] k;
    private final double[] v;
    private final int[] keyMask;
    private final int[] rows;

    private ScalarAttention(Attention.Options options, Tensor q, Tensor k, Tensor v, Tensor keyMask, Tensor rows) {
        this.options = options;
        this.batch = q.dim(0);
        this.queries = q.dim(1);
        this.keys = k.dim(1);
        this.heads = q.dim(2);
        this.keyHeads = k.dim(2);
        this.size = q.dim(3);
        this.cacheRows = k.dim(0);
        this.q = ScalarMemory.read(q);
        this.k = ScalarMemory.read(k);
        this.v = ScalarMemory.read(v);
        this.keyMask = ScalarMemory.readInts(keyMask);
        this.rows = ScalarMemory.readInts(rows);
    }

    static void run(Attention op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Attention.Forward f ->
                new ScalarAttention(f.options(), in[0], in[1], in[2], in[3], in[4]).forward(out);
            case Attention.Gradient g ->
                new ScalarAttention(g.options(), in[0], in[1], in[2], in[3], null)
                        .gradient(ScalarMemory.read(in[4]), ScalarMemory.read(in[5]), ScalarMemory.read(in[6]), out);
        }
    }

    private void forward(Tensor[] out) {
        double[] y = new double[q.length];
        double[] lse = new double[batch * heads * queries];
        double[] score = new double[keys];
        for (int b = 0; b < batch; b++) {
            for (int h = 0; h < heads; h++) {
                for (int i = 0; i < queries; i++) {
                    int row = (b * heads + h) * queries + i;
                    double max = Double.NEGATIVE_INFINITY;
                    for (int j = 0; j < keys; j++) {
                        score[j] = score(b, h, i, j);
                        max = Math.max(max, score[j]);
                    }
                    double sum = 0;
                    for (int j = 0; j < keys; j++) {
                        sum += sees(b, i, j) ? Math.exp(score[j] - max) : 0;
                    }
                    lse[row] = max + Math.log(sum);
                    for (int j = 0; j < keys; j++) {
                        if (sees(b, i, j)) {
                            double weight = Math.exp(score[j] - max) / sum * kept(row, j);
                            add(weight, v, key(b, h, j), y, query(b, h, i));
                        }
                    }
                }
            }
        }
        ScalarMemory.write(y, out[0]);
        ScalarMemory.write(lse, out[1]);
    }

    /**
     * With the weights p, dropped and scaled by m, and y = (p m) v: dv = (p m)^T dy; dp = m (dy v^T); ds = p (dp - sum(p
     * dp)); dq = scale ds k; dk = scale ds^T q. The sum over the keys is y dy, from the y that was stored.
     */
    private void gradient(double[] y, double[] lse, double[] dOut, Tensor[] out) {
        double[] dq = new double[q.length];
        double[] dk = new double[k.length];
        double[] dv = new double[v.length];
        double[] p = new double[keys];
        double[] dp = new double[keys];
        for (int b = 0; b < batch; b++) {
            for (int h = 0; h < heads; h++) {
                for (int i = 0; i < queries; i++) {
                    int row = (b * heads + h) * queries + i;
                    int at = query(b, h, i);
                    double sum = dot(y, at, dOut, at);
                    for (int j = 0; j < keys; j++) {
                        if (sees(b, i, j)) {
                            p[j] = Math.exp(score(b, h, i, j) - lse[row]);
                            dp[j] = kept(row, j) * dot(dOut, at, v, key(b, h, j));
                            add(p[j] * kept(row, j), dOut, at, dv, key(b, h, j));
                        }
                    }
                    for (int j = 0; j < keys; j++) {
                        if (sees(b, i, j)) {
                            double ds = options.scale() * p[j] * (dp[j] - sum);
                            add(ds, k, key(b, h, j), dq, at);
                            add(ds, q, at, dk, key(b, h, j));
                        }
                    }
                }
            }
        }
        ScalarMemory.write(dq, out[0]);
        ScalarMemory.write(dk, out[1]);
        ScalarMemory.write(dv, out[2]);
    }

    private boolean sees(int b, int i, int j) {
        return (keyMask == null || keyMask[b * keys + j] != 0) && (!options.causal() || j <= i + keys - queries);
    }

    /** -inf for a hidden key. */
    private double score(int b, int h, int i, int j) {
        return sees(b, i, j) ? options.scale() * dot(q, query(b, h, i), k, key(b, h, j)) : Double.NEGATIVE_INFINITY;
    }

    /** What dropout multiplies weight j of a row by. */
    private double kept(int row, int j) {
        if (options.dropout() == 0) {
            return 1;
        }
        int bits = Rng.bits(options.seed(), options.stream(), (long) row * keys + j);
        return Rng.toUniform(bits) < options.dropout() ? 0 : 1 / (1 - options.dropout());
    }

    private int query(int b, int h, int i) {
        return ((b * queries + i) * heads + h) * size;
    }

    private int key(int b, int h, int j) {
        int row = rows == null ? b : rows[b * keys + j];
        if (row < 0 || row >= cacheRows) {
            throw new TensorException("attention: key " + j + " of sequence " + b + " lies in row " + row
                    + " of the cache, which has the rows 0 to " + (cacheRows - 1));
        }
        return ((row * keys + j) * keyHeads + h * keyHeads / heads) * size;
    }

    private double dot(double[] x, int xAt, double[] y, int yAt) {
        double sum = 0;
        for (int d = 0; d < size; d++) {
            sum += x[xAt + d] * y[yAt + d];
        }
        return sum;
    }

    private void add(double factor, double[] x, int xAt, double[] y, int yAt) {
        for (int d = 0; d < size; d++) {
            y[yAt + d] += factor * x[xAt + d];
        }
    }
}
