package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.Launch;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.OptimizerRule;
import io.quern.tensor.op.Update;
import java.util.List;

/** Launches the kernels of {@code update.cu}, fills and copies. */
final class UpdateLauncher {
    private final CudaDevice device;

    UpdateLauncher(CudaDevice device) {
        this.device = device;
    }

    void run(Update op, Tensor[] in) {
        switch (op) {
            case Update.Assign a -> IndexLauncher.copy(device, in[1], in[0]);
            case Update.Fill f -> fill(in[0], f.value());
            case Update.Accumulate a -> accumulate(in[0], in[1], a.factor());
            case Update.AdamW a -> {
                for (int i = 0; i < a.params().size(); i++) {
                    adamW(a, i);
                }
            }
            case Update.GradientStep g -> {
                for (int i = 0; i < g.params().size(); i++) {
                    step(g, i);
                }
            }
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
            double lr, double decay, double scale, double a, double b, double c, double d, double eps, long flags) {
        return new long[] {
            Double.doubleToRawLongBits(lr),
            Double.doubleToRawLongBits(decay),
            Double.doubleToRawLongBits(scale),
            Double.doubleToRawLongBits(a),
            Double.doubleToRawLongBits(b),
            Double.doubleToRawLongBits(c),
            Double.doubleToRawLongBits(d),
            Double.doubleToRawLongBits(eps),
            flags
        };
    }

    private void adamW(Update.AdamW op, int i) {
        Tensor p = op.params().get(i);
        device.launch(Kernels.named("adamw", p.dtype()))
                .i64(p.address())
                .i64(op.grads().get(i).address())
                .i64(op.m().get(i).address())
                .i64(op.v().get(i).address())
                .struct(step(
                        op.lr(),
                        op.lr() * op.weightDecay().get(i),
                        op.gradScale(),
                        op.beta1(),
                        op.beta2(),
                        1 / (1 - Math.pow(op.beta1(), op.step())),
                        1 / (1 - Math.pow(op.beta2(), op.step())),
                        op.eps(),
                        0))
                .i64(p.size())
                .over(p.size());
    }

    private void step(Update.GradientStep op, int i) {
        Tensor p = op.params().get(i);
        List<Tensor> state = op.state().get(i);
        Launch launch = device.launch(Kernels.named(op.rule().label(), p.dtype()))
                .i64(p.address())
                .i64(op.grads().get(i).address());
        double lr = op.lr();
        double decay = op.weightDecay().get(i);
        double scale = op.gradScale();
        switch (op.rule()) {
            case OptimizerRule.Sgd r ->
                launch.i64(first(state))
                        .struct(step(
                                lr,
                                decay,
                                scale,
                                r.momentum(),
                                1 - r.dampening(),
                                0,
                                0,
                                0,
                                (r.momentum() != 0 ? 1 : 0) + (op.step() == 1 ? 2 : 0) + (r.nesterov() ? 4 : 0)));
            case OptimizerRule.Adagrad r ->
                launch.i64(first(state))
                        .struct(step(lr / (1 + (op.step() - 1) * r.lrDecay()), decay, scale, 0, 0, 0, 0, r.eps(), 0));
            case OptimizerRule.RmsProp r ->
                launch.i64(first(state))
                        .i64(r.centered() ? state.get(1).address() : 0)
                        .i64(r.momentum() != 0 ? state.getLast().address() : 0)
                        .struct(step(
                                lr,
                                decay,
                                scale,
                                r.alpha(),
                                r.momentum(),
                                0,
                                0,
                                r.eps(),
                                (r.centered() ? 1 : 0) + (r.momentum() != 0 ? 2 : 0)));
            case OptimizerRule.Adam r ->
                launch.i64(first(state))
                        .i64(state.get(1).address())
                        .struct(step(
                                lr,
                                decay,
                                scale,
                                r.beta1(),
                                r.beta2(),
                                1 / (1 - Math.pow(r.beta1(), op.step())),
                                1 / (1 - Math.pow(r.beta2(), op.step())),
                                r.eps(),
                                0));
            case OptimizerRule.Lion r ->
                launch.i64(first(state)).struct(step(lr, decay, scale, r.beta1(), r.beta2(), 0, 0, 0, 0));
        }
        launch.i64(p.size()).over(p.size());
    }

    private static long first(List<Tensor> state) {
        return state.isEmpty() ? 0 : state.getFirst().address();
    }
}
