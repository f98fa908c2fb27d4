package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
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
}
