package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.Arrays;

/** Twins of {@link Update}. */
final class ScalarUpdate {
    private ScalarUpdate() {}

    static void run(Update op, Tensor[] in) {
        switch (op) {
            case Update.Assign a -> ScalarIndex.copy(in[1], in[0]);
            case Update.Fill f -> {
                double[] x = new double[Math.toIntExact(in[0].size())];
                Arrays.fill(x, f.value());
                ScalarMemory.write(x, in[0]);
            }
            case Update.Accumulate a -> {
                double[] x = ScalarMemory.read(in[0]);
                double[] y = ScalarMemory.read(in[1]);
                for (int i = 0; i < x.length; i++) {
                    x[i] += a.factor() * y[i];
                }
                ScalarMemory.write(x, in[0]);
            }
            case Update.AdamW a -> {
                for (int i = 0; i < a.params().size(); i++) {
                    adamW(a, i);
                }
            }
            case Update.GradientStep g -> {
                for (int i = 0; i < g.params().size(); i++) {
                    gradientStep(g, i);
                }
            }
        }
    }

    private static void adamW(Update.AdamW op, int index) {
        double[] p = ScalarMemory.read(op.params().get(index));
        double[] g = ScalarMemory.read(op.grads().get(index));
        double[] m = ScalarMemory.read(op.m().get(index));
        double[] v = ScalarMemory.read(op.v().get(index));
        double decay = op.lr() * op.weightDecay().get(index);
        double correction1 = 1 - Math.pow(op.beta1(), op.step());
        double correction2 = 1 - Math.pow(op.beta2(), op.step());
        for (int i = 0; i < p.length; i++) {
            double grad = g[i] * op.gradScale();
            m[i] = op.beta1() * m[i] + (1 - op.beta1()) * grad;
            v[i] = op.beta2() * v[i] + (1 - op.beta2()) * grad * grad;
            p[i] -= decay * p[i];
            p[i] -= op.lr() * (m[i] / correction1) / (Math.sqrt(v[i] / correction2) + op.eps());
        }
        ScalarMemory.write(p, op.params().get(index));
        ScalarMemory.write(m, op.m().get(index));
        ScalarMemory.write(v, op.v().get(index));
    }

    private static void gradientStep(Update.GradientStep op, int index) {
        double[] p = ScalarMemory.read(op.params().get(index));
        double[] g = ScalarMemory.read(op.grads().get(index));
        double[][] state =
                op.state().get(index).stream().map(ScalarMemory::read).toArray(double[][]::new);
        double decay = op.weightDecay().get(index);
        for (int i = 0; i < p.length; i++) {
            p[i] = moved(op, p[i], g[i] * op.gradScale(), decay, state, i);
        }
        ScalarMemory.write(p, op.params().get(index));
        for (int j = 0; j < state.length; j++) {
            ScalarMemory.write(state[j], op.state().get(index).get(j));
        }
    }

    /** The parameter {@code p} after the step, at place {@code i} of the state. */
    private static double moved(Update.GradientStep op, double p, double grad, double decay, double[][] state, int i) {
        double lr = op.lr();
        double g = grad + decay * p;
        switch (op.rule()) {
            case OptimizerRule.Sgd r -> {
                if (r.momentum() == 0) {
                    return p - lr * g;
                }
                double[] m = state[0];
                m[i] = op.step() == 1 ? g : r.momentum() * m[i] + (1 - r.dampening()) * g;
                return p - lr * (r.nesterov() ? g + r.momentum() * m[i] : m[i]);
            }
            case OptimizerRule.Adagrad r -> {
                double[] s = state[0];
                s[i] += g * g;
                return p - lr / (1 + (op.step() - 1) * r.lrDecay()) * g / (Math.sqrt(s[i]) + r.eps());
            }
            case OptimizerRule.RmsProp r -> {
                double[] s = state[0];
                s[i] = r.alpha() * s[i] + (1 - r.alpha()) * g * g;
                double variance = s[i];
                if (r.centered()) {
                    double[] a = state[1];
                    a[i] = r.alpha() * a[i] + (1 - r.alpha()) * g;
                    variance -= a[i] * a[i];
                }
                double d = g / (Math.sqrt(variance) + r.eps());
                if (r.momentum() == 0) {
                    return p - lr * d;
                }
                double[] m = state[state.length - 1];
                m[i] = r.momentum() * m[i] + d;
                return p - lr * m[i];
            }
            case OptimizerRule.Adam r -> {
                double[] m = state[0];
                double[] v = state[1];
                m[i] = r.beta1() * m[i] + (1 - r.beta1()) * g;
                v[i] = r.beta2() * v[i] + (1 - r.beta2()) * g * g;
                double mHat = m[i] / (1 - Math.pow(r.beta1(), op.step()));
                double vHat = v[i] / (1 - Math.pow(r.beta2(), op.step()));
                return p - lr * mHat / (Math.sqrt(vHat) + r.eps());
            }
            case OptimizerRule.Lion r -> {
                double[] m = state[0];
                double c = r.beta1() * m[i] + (1 - r.beta1()) * grad;
                m[i] = r.beta2() * m[i] + (1 - r.beta2()) * grad;
                return p - lr * (Math.signum(c) + decay * p);
            }
        }
    }
}
