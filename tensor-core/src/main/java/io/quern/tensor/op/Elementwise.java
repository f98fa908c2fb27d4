package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.List;
import java.util.Locale;

/** Operations that treat every element alone, with broadcasting where there are two operands. */
public sealed interface Elementwise extends Op {

    /** Functions of one number. */
    enum UnaryKind {
        NEG,
        EXP,
        LOG,
        SQRT,
        /** 1 / sqrt(x) */
        RSQRT,
        RECIPROCAL,
        SQUARE,
        ABS,
        /** max(x, 0); the derivative at 0 is 0 */
        RELU,
        SIGMOID,
        TANH,
        /** x / 2 * (1 + erf(x / sqrt 2)) */
        GELU,
        /** x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))): GPT-2's */
        GELU_TANH,
        /** x * sigmoid(x) */
        SILU;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Functions of two numbers. */
    enum BinaryKind {
        ADD,
        SUB,
        MUL,
        /** In I32 rounded towards zero; a division by 0 is an error there. */
        DIV,
        /** The larger; where both are equal each gets half of the gradient. */
        MAX,
        MIN;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Comparisons; their result is 1 or 0. */
    enum CompareKind {
        EQ,
        NE,
        LT,
        LE,
        GT,
        GE;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** y = f(x). */
    record Unary(UnaryKind kind, Tensor x) implements Elementwise {
        @Override
        public String name() {
            return kind.label();
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public List<Spec> outputs() {
            Checks.floating(name(), x);
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public Saves saves() {
            return kind == UnaryKind.NEG ? Saves.NONE : Saves.inputs(0);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            Tensor dy = b.gradient(0);
            return asList(kind == UnaryKind.NEG ? dy.neg() : Tensor.run(new UnaryGrad(kind, x, dy)));
        }
    }

    /** dx = f'(x) * dy. */
    record UnaryGrad(UnaryKind kind, Tensor x, Tensor dy) implements Elementwise {
        @Override
        public String name() {
            return kind.label() + "_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, dy);
        }

        @Override
        public List<Spec> outputs() {
            Checks.sameShape(name(), x, dy);
            Checks.sameDType(name(), x, dy);
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }
    }

    /** y = f(x + bias) with a bias [C] along the innermost dimension: what follows the product of a linear layer. */
    record BiasUnary(UnaryKind kind, Tensor x, Tensor bias) implements Elementwise {
        @Override
        public String name() {
            return "bias_" + kind.label();
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, bias);
        }

        @Override
        public List<Spec> outputs() {
            Checks.floating(name(), x);
            Checks.atLeastRank(name(), 1, x);
            Checks.vector(name(), "the bias", x.shape().dim(-1), bias, x);
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0, 1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Tensor.runAll(new BiasUnaryGrad(kind, x, bias, b.gradient(0)));
        }

        @Override
        public long flops() {
            return 2 * x.shape().size();
        }
    }

    /** dx = f'(x + bias) * dy, and the gradient of the bias [C], the sum of dx over all rows in a fixed order. */
    record BiasUnaryGrad(UnaryKind kind, Tensor x, Tensor bias, Tensor dy) implements Elementwise {
        @Override
        public String name() {
            return "bias_" + kind.label() + "_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x, bias, dy);
        }

        @Override
        public List<Spec> outputs() {
            Checks.sameShape(name(), x, dy);
            Checks.sameDType(name(), x, dy);
            return List.of(new Spec(x.shape(), x.dtype()), new Spec(bias.shape(), bias.dtype()));
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
            return 4 * x.shape().size();
        }
    }

    /** y = f(a, b), broadcast. */
    record Binary(BinaryKind kind, Tensor a, Tensor b) implements Elementwise {
        @Override
        public String name() {
            return kind.label();
        }

        @Override
        public List<Tensor> inputs() {
            return asList(a, b);
        }

        @Override
        public List<Spec> outputs() {
            Checks.sameDType(name(), a, b);
            return List.of(new Spec(Checks.broadcast(name(), a, b), a.dtype()));
        }

        @Override
        public Saves saves() {
            return switch (kind) {
                case ADD, SUB -> Saves.NONE;
                case MUL, DIV, MAX, MIN -> Saves.inputs(0, 1);
            };
        }

        @Override
        public List<Tensor> gradient(Backward back) {
            Tensor dy = back.gradient(0);
            Tensor da = null;
            Tensor db = null;
            if (back.wants(0)) {
                da = switch (kind) {
                    case ADD, SUB -> dy;
                    case MUL -> dy.mul(b);
                    case DIV -> dy.div(b);
                    case MAX -> dy.mul(share(CompareKind.GT));
                    case MIN -> dy.mul(share(CompareKind.LT));
                };
            }
            if (back.wants(1)) {
                db = switch (kind) {
                    case ADD -> dy;
                    case SUB -> dy.neg();
                    case MUL -> dy.mul(a);
                    case DIV -> dy.mul(a).div(b.mul(b)).neg();
                    case MAX -> dy.mul(share(CompareKind.GT).scale(-1).shift(1));
                    case MIN -> dy.mul(share(CompareKind.LT).scale(-1).shift(1));
                };
            }
            return asList(da == null ? null : da.sumTo(a.shape()), db == null ? null : db.sumTo(b.shape()));
        }

        /** The part of the gradient that a gets: 1 where it wins, 1/2 where both are equal. */
        private Tensor share(CompareKind wins) {
            Tensor won = Tensor.run(new Compare(wins, a, b)).cast(a.dtype());
            Tensor tie = Tensor.run(new Compare(CompareKind.EQ, a, b)).cast(a.dtype());
            return won.add(tie.scale(0.5));
        }
    }

    /** 1 where a (kind) b holds, else 0, broadcast; the result is I32 and has no gradient. */
    record Compare(CompareKind kind, Tensor a, Tensor b) implements Elementwise {
        @Override
        public String name() {
            return kind.label();
        }

        @Override
        public List<Tensor> inputs() {
            return asList(a, b);
        }

        @Override
        public List<Spec> outputs() {
            Checks.sameDType(name(), a, b);
            return List.of(new Spec(Checks.broadcast(name(), a, b), DType.I32));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }
    }

    /** y = scale * x + shift. */
    record Affine(Tensor x, double scale, double shift) implements Elementwise {
        @Override
        public String name() {
            return "affine";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public List<Spec> outputs() {
            Checks.floating(name(), x);
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            Tensor dy = b.gradient(0);
            return asList(scale == 1 ? dy : dy.scale(scale));
        }

        @Override
        public long flops() {
            return 2 * x.shape().size();
        }
    }

    /** a where the condition (I32) is not 0, else b; all three broadcast. */
    record Where(Tensor condition, Tensor a, Tensor b) implements Elementwise {
        @Override
        public String name() {
            return "where";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(condition, a, b);
        }

        @Override
        public List<Spec> outputs() {
            Checks.dtype(name(), DType.I32, condition);
            Checks.sameDType(name(), a, b);
            Shape s = Checks.broadcast(name(), a, b);
            Shape both = Checks.broadcast(name(), condition, a);
            Shape all = Checks.broadcast(name(), condition, b);
            int rank = Math.max(s.rank(), Math.max(both.rank(), all.rank()));
            int[] dims = new int[rank];
            for (int i = 1; i <= rank; i++) {
                int x = i > s.rank() ? 1 : s.dim(-i);
                int y = i > both.rank() ? 1 : both.dim(-i);
                dims[rank - i] = x == 1 ? y : x;
            }
            return List.of(new Spec(Shape.of(dims), a.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0);
        }

        @Override
        public List<Tensor> gradient(Backward back) {
            Tensor dy = back.gradient(0);
            Tensor zero = Tensor.zeros(dy.device(), dy.dtype(), Shape.of());
            Tensor da =
                    back.wants(1) ? Tensor.run(new Where(condition, dy, zero)).sumTo(a.shape()) : null;
            Tensor db =
                    back.wants(2) ? Tensor.run(new Where(condition, zero, dy)).sumTo(b.shape()) : null;
            return asList(null, da, db);
        }
    }

    /** The same numbers in another dtype: rounded to nearest even, towards zero into I32, by blocks into quantised ones. */
    record Cast(Tensor x, DType to) implements Elementwise {
        @Override
        public String name() {
            return "cast";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public List<Spec> outputs() {
            return List.of(new Spec(x.shape(), to));
        }

        @Override
        public boolean takesQuantized(int i) {
            return true;
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(b.gradient(0).cast(x.dtype()));
        }
    }

    /**
     * Inverted dropout: element i becomes 0 where {@code Rng.toUniform(Rng.bits(seed, stream, i)) < p}, else x / (1 - p).
     * It is its own gradient.
     */
    record Dropout(Tensor x, double p, long seed, long stream) implements Elementwise {
        public Dropout {
            if (!(p >= 0 && p < 1)) {
                throw new TensorException("dropout: the probability must be in [0, 1), not " + p);
            }
        }

        @Override
        public String name() {
            return "dropout";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public List<Spec> outputs() {
            Checks.floating(name(), x);
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(Tensor.run(new Dropout(b.gradient(0), p, seed, stream)));
        }
    }
}
