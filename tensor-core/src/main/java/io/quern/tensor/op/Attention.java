package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.List;

/**
 * Scaled dot-product attention, softmax(scale * q k^T) v, without the matrix of scores ever being stored. Shapes: B
 * batch, T queries, S keys, H query heads, G key heads (H is a multiple of G; query head h reads key head h * G / H), D
 * head size.
 */
public sealed interface Attention extends Op {

    /**
     * What is attended to.
     *
     * @param causal query i sees the keys up to i + S - T
     * @param scale of the scores, usually 1 / sqrt(D)
     * @param dropout probability with which a weight is dropped after the softmax
     * @param seed of the dropout; element ((b * H + h) * T + i) * S + j of {@link io.quern.tensor.Rng#bits} decides
     * @param stream of the dropout
     */
    record Options(boolean causal, double scale, double dropout, long seed, long stream) {
        public Options {
            if (!(dropout >= 0 && dropout < 1)) {
                throw new TensorException("attention: the dropout must be in [0, 1), not " + dropout);
            }
        }

        public static Options causal(double scale) {
            return new Options(true, scale, 0, 0, 0);
        }

        public static Options full(double scale) {
            return new Options(false, scale, 0, 0, 0);
        }
    }

    /**
     * Results: out [B, T, H, D] and the logarithm of the sum of exponentials of every row, [B, H, T] (F32, or F64 for
     * F64). A query that sees no key gets zeros and -inf.
     *
     * @param q [B, T, H, D]
     * @param k [B, S, G, D]; with {@code rows} [R, S, G, D]
     * @param v as k
     * @param keyMask I32 [B, S], 0 hides a key; or null
     * @param rows I32 [B, S] or null: key j of sequence b is read from row {@code rows[b][j]} of k and v, so that beams
     *     share a cache which is never copied; no gradient then
     */
    record Forward(Tensor q, Tensor k, Tensor v, Tensor keyMask, Tensor rows, Options options) implements Attention {
        @Override
        public String name() {
            return "attention";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(q, k, v, keyMask, rows);
        }

        @Override
        public Layout layout(int i) {
            return i < 3 ? Layout.ROWS : Layout.PACKED;
        }

        @Override
        public List<Spec> outputs() {
            check(name(), q, k, v, keyMask, rows);
            Shape s = q.shape();
            DType statistics = q.dtype() == DType.F64 ? DType.F64 : DType.F32;
            return List.of(new Spec(s, q.dtype()), new Spec(Shape.of(s.dim(0), s.dim(2), s.dim(1)), statistics));
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0, 1, 2, 3).andOutputs(0, 1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            if (rows != null) {
                throw new TensorException(
                        "attention over a shared cache (rows) has no gradient; train without a cache");
            }
            List<Tensor> g =
                    Tensor.runAll(new Gradient(q, k, v, keyMask, b.output(0), b.output(1), b.gradient(0), options));
            return asList(g.get(0), g.get(1), g.get(2), null, null);
        }

        @Override
        public long flops() {
            return 4 * pairs(q, k, options);
        }
    }

    /** Gradients with respect to q, k and v, from the results of the forward run; the scores are computed again. */
    record Gradient(Tensor q, Tensor k, Tensor v, Tensor keyMask, Tensor out, Tensor lse, Tensor dOut, Options options)
            implements Attention {
        @Override
        public String name() {
            return "attention_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(q, k, v, keyMask, out, lse, dOut);
        }

        @Override
        public Layout layout(int i) {
            return i < 3 ? Layout.ROWS : Layout.PACKED;
        }

        @Override
        public List<Spec> outputs() {
            check(name(), q, k, v, keyMask, null);
            Checks.sameShape(name(), q, dOut);
            return List.of(
                    new Spec(q.shape(), q.dtype()), new Spec(k.shape(), k.dtype()), new Spec(v.shape(), v.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }

        @Override
        public long flops() {
            return 10 * pairs(q, k, options);
        }
    }

    private static void check(String op, Tensor q, Tensor k, Tensor v, Tensor keyMask, Tensor rows) {
        Checks.floating(op, q);
        Checks.rank(op, 4, q);
        Checks.rank(op, 4, k);
        Checks.sameDType(op, q, k);
        Checks.sameDType(op, q, v);
        Checks.sameShape(op, k, v);
        Shape s = q.shape();
        Shape t = k.shape();
        if (rows == null && s.dim(0) != t.dim(0)) {
            throw Checks.error(op, "query and key must have the same batch size", q, k);
        }
        if (s.dim(3) != t.dim(3)) {
            throw Checks.error(op, "query and key must have the same head size", q, k);
        }
        if (t.dim(2) == 0 || s.dim(2) % t.dim(2) != 0) {
            throw Checks.error(op, "the query heads must be a multiple of the key heads", q, k);
        }
        perKey(op, "the key mask", keyMask, q, k);
        perKey(op, "the rows", rows, q, k);
    }

    private static void perKey(String op, String what, Tensor t, Tensor q, Tensor k) {
        Shape wanted = Shape.of(q.shape().dim(0), k.shape().dim(1));
        if (t != null && !(t.dtype() == DType.I32 && t.shape().equals(wanted))) {
            throw Checks.error(op, what + " must be I32 " + wanted, t, q, k);
        }
    }

    /** Multiply-adds of one of the products. */
    private static long pairs(Tensor q, Tensor k, Options options) {
        Shape s = q.shape();
        long t = s.dim(1);
        long keys = k.shape().dim(1);
        long seen = options.causal ? Math.max(0, t * keys - t * (t - 1) / 2) : t * keys;
        return s.dim(0) * s.dim(2) * seen * s.dim(3);
    }
}
