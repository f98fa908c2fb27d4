package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.broadcast;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.Lanes.store;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** The element-wise optimizers but AdamW as one sweep over all parameters, in tasks of equal size; bound by memory. */
final class StepKernels {
    private static final int CHUNK = 1 << 14;

    private StepKernels() {}

    /** In F32. */
    static void run(Update.GradientStep op) {
        TensorChunks chunks = TensorChunks.of(op.params(), CHUNK);
        Workers.parallelFor(chunks.count(), t -> {
            int i = chunks.tensor(t);
            long at = 4 * chunks.first(t);
            long[] state = op.state().get(i).stream().mapToLong(Tensor::address).toArray();
            for (int j = 0; j < state.length; j++) {
                state[j] += at;
            }
            Span span = new Span(
                    op.params().get(i).address() + at,
                    op.grads().get(i).address() + at,
                    state,
                    chunks.length(t),
                    (float) op.gradScale(),
                    op.weightDecay().get(i).floatValue(),
                    (float) op.lr());
            switch (op.rule()) {
                case OptimizerRule.Sgd r -> sgd(span, r, op.step() == 1);
                case OptimizerRule.Adagrad r -> adagrad(span, r, op.step());
                case OptimizerRule.RmsProp r -> rmsProp(span, r);
                case OptimizerRule.Adam r -> adam(span, r, op.step());
                case OptimizerRule.Lion r -> lion(span, r);
            }
        });
    }

    /** Elements of one parameter, by their addresses. */
    private record Span(long p, long g, long[] state, int n, float gradScale, float decay, float lr) {
        VectorMask<Float> lanes(int i) {
            return Lanes.first(n - i);
        }

        /** The gradient with L2 decay. */
        FloatVector decayed(int i, FloatVector p0, VectorMask<Float> some) {
            return p0.fma(broadcast(decay), load(g + 4L * i, some).mul(gradScale));
        }
    }

    private static void sgd(Span s, OptimizerRule.Sgd r, boolean first) {
        float momentum = (float) r.momentum();
        float keep = first ? 0 : momentum;
        float take = first ? 1 : (float) (1 - r.dampening());
        boolean moving = r.momentum() != 0;
        long m = moving ? s.state[0] : 0;
        for (int i = 0; i < s.n; i += L) {
            VectorMask<Float> some = s.lanes(i);
            FloatVector p0 = load(s.p + 4L * i, some);
            FloatVector g = s.decayed(i, p0, some);
            if (moving) {
                FloatVector m1 = load(m + 4L * i, some).mul(keep).add(g.mul(take));
                store(m1, m + 4L * i, some);
                g = r.nesterov() ? m1.fma(broadcast(momentum), g) : m1;
            }
            store(p0.sub(g.mul(s.lr)), s.p + 4L * i, some);
        }
    }

    private static void adagrad(Span s, OptimizerRule.Adagrad r, long step) {
        float rate = (float) (s.lr / (1 + (step - 1) * r.lrDecay()));
        float eps = (float) r.eps();
        long sum = s.state[0];
        for (int i = 0; i < s.n; i += L) {
            VectorMask<Float> some = s.lanes(i);
            FloatVector p0 = load(s.p + 4L * i, some);
            FloatVector g = s.decayed(i, p0, some);
            FloatVector s1 = g.fma(g, load(sum + 4L * i, some));
            store(s1, sum + 4L * i, some);
            store(p0.sub(g.mul(rate).div(s1.sqrt().add(eps))), s.p + 4L * i, some);
        }
    }

    private static void rmsProp(Span s, OptimizerRule.RmsProp r) {
        float alpha = (float) r.alpha();
        float rest = (float) (1 - r.alpha());
        float eps = (float) r.eps();
        boolean moving = r.momentum() != 0;
        long square = s.state[0];
        long mean = r.centered() ? s.state[1] : 0;
        long m = moving ? s.state[s.state.length - 1] : 0;
        for (int i = 0; i < s.n; i += L) {
            VectorMask<Float> some = s.lanes(i);
            FloatVector p0 = load(s.p + 4L * i, some);
            FloatVector g = s.decayed(i, p0, some);
            FloatVector s1 =
                    load(square + 4L * i, some).fma(broadcast(alpha), g.mul(g).mul(rest));
            store(s1, square + 4L * i, some);
            FloatVector variance = s1;
            if (r.centered()) {
                FloatVector a1 = load(mean + 4L * i, some).fma(broadcast(alpha), g.mul(rest));
                store(a1, mean + 4L * i, some);
                variance = s1.sub(a1.mul(a1));
            }
            FloatVector d = g.div(variance.sqrt().add(eps));
            if (moving) {
                d = load(m + 4L * i, some).fma(broadcast((float) r.momentum()), d);
                store(d, m + 4L * i, some);
            }
            store(p0.sub(d.mul(s.lr)), s.p + 4L * i, some);
        }
    }

    private static void adam(Span s, OptimizerRule.Adam r, long step) {
        float beta1 = (float) r.beta1();
        float rest1 = (float) (1 - r.beta1());
        float beta2 = (float) r.beta2();
        float rest2 = (float) (1 - r.beta2());
        float rate = (float) (s.lr / (1 - Math.pow(r.beta1(), step)));
        float correction2 = (float) (1 / Math.sqrt(1 - Math.pow(r.beta2(), step)));
        FloatVector eps = broadcast((float) r.eps());
        long m = s.state[0];
        long v = s.state[1];
        for (int i = 0; i < s.n; i += L) {
            VectorMask<Float> some = s.lanes(i);
            FloatVector p0 = load(s.p + 4L * i, some);
            FloatVector g = s.decayed(i, p0, some);
            FloatVector m1 = load(m + 4L * i, some).fma(broadcast(beta1), g.mul(rest1));
            FloatVector v1 =
                    load(v + 4L * i, some).fma(broadcast(beta2), g.mul(g).mul(rest2));
            store(m1, m + 4L * i, some);
            store(v1, v + 4L * i, some);
            FloatVector d = m1.mul(rate).div(v1.sqrt().fma(broadcast(correction2), eps));
            store(p0.sub(d), s.p + 4L * i, some);
        }
    }

    private static void lion(Span s, OptimizerRule.Lion r) {
        float beta1 = (float) r.beta1();
        float rest1 = (float) (1 - r.beta1());
        float beta2 = (float) r.beta2();
        float rest2 = (float) (1 - r.beta2());
        long m = s.state[0];
        for (int i = 0; i < s.n; i += L) {
            VectorMask<Float> some = s.lanes(i);
            FloatVector p0 = load(s.p + 4L * i, some);
            FloatVector g = load(s.g + 4L * i, some).mul(s.gradScale);
            FloatVector m0 = load(m + 4L * i, some);
            FloatVector c = m0.fma(broadcast(beta1), g.mul(rest1));
            store(m0.fma(broadcast(beta2), g.mul(rest2)), m + 4L * i, some);
            FloatVector sign = Lanes.broadcast(0)
                    .blend(1, c.compare(VectorOperators.GT, 0))
                    .blend(-1, c.compare(VectorOperators.LT, 0));
            store(p0.sub(p0.fma(broadcast(s.decay), sign).mul(s.lr)), s.p + 4L * i, some);
        }
    }
}
