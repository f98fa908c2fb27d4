package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.List;

/** Operations that write into an operand: caches, gradient sums, optimizers. They have no result and no gradient. */
public sealed interface Update extends Op {

    @Override
    default List<Spec> outputs() {
        check();
        return List.of();
    }

    /** Checks the operands; see {@link Op#outputs()}. */
    void check();

    /** Whether operand {@code i} is written to. */
    default boolean writes(int i) {
        return i == 0;
    }

    @Override
    default Layout layout(int i) {
        return Layout.ANY;
    }

    @Override
    default Saves saves() {
        return Saves.NONE;
    }

    @Override
    default List<Tensor> gradient(Backward b) {
        return Checks.noGradient(name());
    }

    /** target = source, through any views of equal shape and dtype; they must not overlap. */
    record Assign(Tensor target, Tensor source) implements Update {
        @Override
        public String name() {
            return "assign";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(target, source);
        }

        @Override
        public void check() {
            Checks.sameShape(name(), target, source);
            Checks.sameDType(name(), target, source);
        }
    }

    /** Every element = value. */
    record Fill(Tensor target, double value) implements Update {
        @Override
        public String name() {
            return "fill";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(target);
        }

        @Override
        public void check() {}
    }

    /** target += factor * source, through any views of equal shape and dtype. */
    record Accumulate(Tensor target, Tensor source, double factor) implements Update {
        @Override
        public String name() {
            return "accumulate";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(target, source);
        }

        @Override
        public void check() {
            Checks.floating(name(), target);
            Checks.sameShape(name(), target, source);
            Checks.sameDType(name(), target, source);
        }

        @Override
        public long flops() {
            return 2 * target.shape().size();
        }
    }

    /**
     * One step of AdamW over many parameters at once, with bias correction; decay is decoupled: p -= lr * weightDecay * p,
     * then p -= lr * mHat / (sqrt(vHat) + eps), as torch.optim.AdamW does. Source: Loshchilov and Hutter (2019).
     *
     * @param params updated; all packed
     * @param grads of the same shapes; multiplied by {@code gradScale} first, which clips by norm in the same sweep
     * @param m first moments, updated
     * @param v second moments, updated
     * @param weightDecay of each parameter
     * @param step counts from 1
     */
    record AdamW(
            List<Tensor> params,
            List<Tensor> grads,
            List<Tensor> m,
            List<Tensor> v,
            List<Double> weightDecay,
            double lr,
            double beta1,
            double beta2,
            double eps,
            double gradScale,
            long step)
            implements Update {
        @Override
        public String name() {
            return "adamw";
        }

        @Override
        public List<Tensor> inputs() {
            List<Tensor> all = new ArrayList<>(params);
            all.addAll(grads);
            all.addAll(m);
            all.addAll(v);
            return all;
        }

        @Override
        public boolean writes(int i) {
            return i < params.size() || i >= 2 * params.size();
        }

        @Override
        public void check() {
            int n = params.size();
            if (grads.size() != n || m.size() != n || v.size() != n || weightDecay.size() != n || step < 1) {
                throw new TensorException(
                        "adamw: " + n + " parameters need as many gradients, moments and decays, and a"
                                + " step of 1 or more; got " + grads.size() + ", " + m.size() + ", " + v.size() + ", "
                                + weightDecay.size() + ", step " + step);
            }
            for (int i = 0; i < n; i++) {
                Tensor p = params.get(i);
                Checks.floating(name(), p);
                for (Tensor t : asList(grads.get(i), m.get(i), v.get(i))) {
                    Checks.sameShape(name(), p, t);
                    Checks.sameDType(name(), p, t);
                    if (!t.isPacked() || !p.isPacked() || p.dtype() == DType.I32) {
                        throw Checks.error(name(), "operands must be packed", p, t);
                    }
                }
            }
        }

        @Override
        public long flops() {
            return params.stream().mapToLong(p -> 14 * p.shape().size()).sum();
        }

        /** Three reads and writes of a parameter and its moments, and one read of the gradient. */
        @Override
        public long bytes() {
            return params.stream()
                    .mapToLong(p -> 7 * p.shape().size() * p.dtype().bytes())
                    .sum();
        }
    }

    /**
     * One step of an element-wise optimizer over many parameters at once.
     *
     * @param params updated; F32 or F64, packed
     * @param grads of the same shapes; multiplied by {@code gradScale} first
     * @param state for each parameter {@link OptimizerRule#states()} tensors of its shape, updated
     * @param weightDecay of each parameter
     * @param step counts from 1
     */
    record GradientStep(
            OptimizerRule rule,
            List<Tensor> params,
            List<Tensor> grads,
            List<List<Tensor>> state,
            List<Double> weightDecay,
            double lr,
            double gradScale,
            long step)
            implements Update {
        @Override
        public String name() {
            return rule.label();
        }

        @Override
        public List<Tensor> inputs() {
            List<Tensor> all = new ArrayList<>(params);
            all.addAll(grads);
            state.forEach(all::addAll);
            return all;
        }

        @Override
        public boolean writes(int i) {
            return i < params.size() || i >= 2 * params.size();
        }

        @Override
        public void check() {
            int n = params.size();
            if (grads.size() != n || state.size() != n || weightDecay.size() != n || step < 1) {
                throw new TensorException(name() + ": " + n
                        + " parameters need as many gradients, states and decays, and a"
                        + " step of 1 or more; got " + grads.size() + ", " + state.size() + ", " + weightDecay.size()
                        + ", step " + step);
            }
            for (int i = 0; i < n; i++) {
                if (state.get(i).size() != rule.states()) {
                    throw new TensorException(name() + ": keeps " + rule.states() + " tensors beside a parameter; got "
                            + state.get(i).size());
                }
                check(params.get(i), params.get(i));
                check(params.get(i), grads.get(i));
                for (Tensor t : state.get(i)) {
                    check(params.get(i), t);
                }
            }
        }

        private void check(Tensor param, Tensor t) {
            Checks.sameShape(name(), param, t);
            Checks.sameDType(name(), params.getFirst(), t);
            if (t.dtype() != DType.F32 && t.dtype() != DType.F64) {
                throw Checks.error(name(), "needs F32 or F64", t);
            }
            if (!t.isPacked()) {
                throw Checks.error(name(), "operands must be packed", t);
            }
        }

        @Override
        public long flops() {
            return params.stream().mapToLong(p -> 6 * p.shape().size()).sum();
        }

        /** A parameter and its state are read and written, the gradient is read. */
        @Override
        public long bytes() {
            return params.stream()
                    .mapToLong(p -> (3 + 2L * rule.states())
                            * p.shape().size()
                            * p.dtype().bytes())
                    .sum();
        }
    }
}
