package io.quern.cuda;

import io.quern.cuda.driver.BlockSizes;
import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.List;

/** Launches the kernels of {@code update.cu}, fills and copies. */
final class UpdateLauncher {
    private final CudaDevice device;

    private final IndexLauncher index;
    private final Together together;

    UpdateLauncher(CudaDevice device, IndexLauncher index, Together together) {
        this.device = device;
        this.index = index;
        this.together = together;
    }

    void run(Update op, Tensor[] in) {
        switch (op) {
            case Update.Assign a -> index.copy(in[1], in[0]);
            case Update.Fill f -> fill(in[0], f.value());
            case Update.Accumulate a -> accumulate(in[0], in[1], a.factor());
            case Update.AdamW a -> adamW(a);
            case Update.GradientStep g -> step(g);
        }
        if (op instanceof Update.AdamW || op instanceof Update.GradientStep) {
            // What follows, the end of a training step, may take the host longer than the device should wait.
            device.begin();
        }
    }

    private void fill(Tensor t, double value) {
        device.launch(Kernels.sized("fill", t.dtype()))
                .struct(Walk.over(t.shape().dims(), t.strides()))
                .i64(t.address())
                .i64(bits(t.dtype(), value))
                .i64(t.size())
                .over(t.size());
    }

    private static long bits(DType dtype, double value) {
        return switch (dtype) {
            case F64 -> Double.doubleToRawLongBits(value);
            case F32 -> Float.floatToRawIntBits((float) value) & 0xFFFFFFFFL;
            case F16 -> Float.floatToFloat16((float) value) & 0xFFFFL;
            case BF16 -> {
                int b = Float.floatToRawIntBits((float) value);
                yield Double.isNaN(value) ? 0x7FC0 : (b + 0x7FFF + (b >>> 16 & 1)) >>> 16;
            }
            case I32 -> (int) value & 0xFFFFFFFFL;
            case Q8_0, Q4_0, Q4_K, Q6_K -> throw Kernels.unsupported(dtype);
        };
    }

    private void accumulate(Tensor target, Tensor source, double factor) {
        if (target.isPacked() && source.isPacked()) {
            together.accumulate(target, source, factor);
            return;
        }
        device.launch(Kernels.named("accumulate", target.dtype()))
                .struct(Walk.over(target.shape().dims(), target.strides(), source.strides()))
                .i64(target.address())
                .i64(source.address())
                .f64(factor)
                .i64(target.size())
                .over(target.size());
    }

    /** The {@code Step} of {@code update.cu}. */
    private static long[] step(
            double lr, double scale, double a, double b, double c, double d, double eps, long flags) {
        return new long[] {
            Double.doubleToRawLongBits(lr),
            Double.doubleToRawLongBits(scale),
            Double.doubleToRawLongBits(a),
            Double.doubleToRawLongBits(b),
            Double.doubleToRawLongBits(c),
            Double.doubleToRawLongBits(d),
            Double.doubleToRawLongBits(eps),
            flags
        };
    }

    private void adamW(Update.AdamW op) {
        double[] decay = op.weightDecay().stream().mapToDouble(d -> op.lr() * d).toArray();
        long[] step = step(
                op.lr(),
                op.gradScale(),
                op.beta1(),
                op.beta2(),
                1 / (1 - Math.pow(op.beta1(), op.step())),
                1 / (1 - Math.pow(op.beta2(), op.step())),
                op.eps(),
                0);
        sweep(op.name(), step, op.params(), decay, i -> new long[] {
            op.params().get(i).address(),
            op.grads().get(i).address(),
            op.m().get(i).address(),
            op.v().get(i).address()
        });
    }

    private void step(Update.GradientStep op) {
        double[] decay =
                op.weightDecay().stream().mapToDouble(Double::doubleValue).toArray();
        sweep(op.rule().label(), step(op.rule(), op.lr(), op.gradScale(), op.step()), op.params(), decay, i -> {
            long[] state = state(op.rule(), op.state().get(i));
            long[] all = new long[2 + state.length];
            all[0] = op.params().get(i).address();
            all[1] = op.grads().get(i).address();
            System.arraycopy(state, 0, all, 2, state.length);
            return all;
        });
    }

    /** One launch for as many tensors as its parameters hold. */
    private void sweep(
            String kernel, long[] step, List<Tensor> params, double[] decay, TensorTable.Addresses addresses) {
        TensorTable.of(params, decay, addresses).forEach((dtype, tables) -> {
            String name = Kernels.named(kernel, dtype);
            for (TensorTable table : tables) {
                device.launch(name)
                        .struct(table.members())
                        .struct(step)
                        .run(
                                Math.min(table.chunks(), BlockSizes.MOST_BLOCKS),
                                1,
                                1,
                                device.blockSizes().threads(name, table.elements()));
            }
        });
    }

    private static long[] step(OptimizerRule rule, double lr, double scale, long step) {
        return switch (rule) {
            case OptimizerRule.Sgd r ->
                step(
                        lr,
                        scale,
                        r.momentum(),
                        1 - r.dampening(),
                        0,
                        0,
                        0,
                        (r.momentum() != 0 ? 1 : 0) + (step == 1 ? 2 : 0) + (r.nesterov() ? 4 : 0));
            case OptimizerRule.Adagrad r -> step(lr / (1 + (step - 1) * r.lrDecay()), scale, 0, 0, 0, 0, r.eps(), 0);
            case OptimizerRule.RmsProp r ->
                step(
                        lr,
                        scale,
                        r.alpha(),
                        r.momentum(),
                        0,
                        0,
                        r.eps(),
                        (r.centered() ? 1 : 0) + (r.momentum() != 0 ? 2 : 0));
            case OptimizerRule.Adam r ->
                step(
                        lr,
                        scale,
                        r.beta1(),
                        r.beta2(),
                        1 / (1 - Math.pow(r.beta1(), step)),
                        1 / (1 - Math.pow(r.beta2(), step)),
                        r.eps(),
                        0);
            case OptimizerRule.Lion r -> step(lr, scale, r.beta1(), r.beta2(), 0, 0, 0, 0);
        };
    }

    /** Addresses of the state in the places where the kernel of a rule has them; 0 for what the rule does without. */
    private static long[] state(OptimizerRule rule, List<Tensor> state) {
        return switch (rule) {
            case OptimizerRule.RmsProp r ->
                new long[] {
                    first(state),
                    r.centered() ? state.get(1).address() : 0,
                    r.momentum() != 0 ? state.getLast().address() : 0
                };
            case OptimizerRule.Adam r -> new long[] {first(state), state.get(1).address()};
            case OptimizerRule.Sgd r -> new long[] {first(state)};
            case OptimizerRule.Adagrad r -> new long[] {first(state)};
            case OptimizerRule.Lion r -> new long[] {first(state)};
        };
    }

    private static long first(List<Tensor> state) {
        return state.isEmpty() ? 0 : state.getFirst().address();
    }
}
