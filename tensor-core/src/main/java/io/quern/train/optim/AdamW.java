package io.quern.train.optim;

import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Update;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * AdamW: Adam with decoupled weight decay, as torch.optim.AdamW computes it. One fused operation updates all
 * parameters. The bias correction counts the steps of the optimizer, not those of each parameter; the two differ only
 * for a parameter that some steps leave without a gradient. Source: Loshchilov and Hutter (2019).
 */
public final class AdamW implements Optimizer {
    private record Slot(Param param, double weightDecay, Tensor expAvg, Tensor expAvgSq) {}

    private final Map<String, Slot> slots = new LinkedHashMap<>();
    private final double beta1;
    private final double beta2;
    private final double eps;
    private long steps;

    /**
     * Allocates the moments, as zeros beside their parameters.
     *
     * @param beta1 decay of the first moment; PyTorch's default is 0.9
     * @param beta2 decay of the second moment; PyTorch's default is 0.999, GPTs mostly take 0.95
     * @param eps added to the square root; PyTorch's default is 1e-8
     */
    public AdamW(List<ParamGroup> groups, double beta1, double beta2, double eps) {
        check("beta1", beta1, beta1 >= 0 && beta1 < 1);
        check("beta2", beta2, beta2 >= 0 && beta2 < 1);
        check("eps", eps, eps >= 0);
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.eps = eps;
        for (ParamGroup group : groups) {
            group.params().forEach((path, p) -> add(path, p, group.weightDecay()));
        }
    }

    private static void check(String what, double value, boolean valid) {
        if (!valid) {
            throw new IllegalArgumentException("adamw: " + what + " is out of range: " + value);
        }
    }

    private void add(String path, Param p, double weightDecay) {
        Tensor x = p.value();
        if (x.dtype() != DType.F32 && x.dtype() != DType.F64) {
            throw new TensorException("adamw: parameter " + x.describe() + " of " + path
                    + " is too coarse to sum small steps; train in F32");
        }
        if (slots.containsKey(path)) {
            throw new IllegalArgumentException("adamw: parameter " + path + " is in two groups");
        }
        slots.put(path, new Slot(p, weightDecay, moment(x, "exp_avg." + path), moment(x, "exp_avg_sq." + path)));
    }

    private static Tensor moment(Tensor x, String name) {
        return Tensor.zeros(x.device(), x.dtype(), x.shape()).keep().named(name);
    }

    @Override
    public void step(Gradients gradients, double lr, double gradScale) {
        List<Tensor> params = new ArrayList<>();
        List<Tensor> grads = new ArrayList<>();
        List<Tensor> m = new ArrayList<>();
        List<Tensor> v = new ArrayList<>();
        List<Double> decay = new ArrayList<>();
        for (Slot s : slots.values()) {
            Tensor g = gradients.of(s.param.value());
            if (g != null) {
                params.add(s.param.value());
                grads.add(g);
                m.add(s.expAvg);
                v.add(s.expAvgSq);
                decay.add(s.weightDecay);
            }
        }
        steps++;
        if (!params.isEmpty()) {
            Tensor.runAll(new Update.AdamW(params, grads, m, v, decay, lr, beta1, beta2, eps, gradScale, steps));
        }
    }

    @Override
    public Map<String, Param> params() {
        Map<String, Param> all = new LinkedHashMap<>();
        slots.forEach((path, s) -> all.put(path, s.param));
        return all;
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> all = new LinkedHashMap<>();
        slots.forEach((path, s) -> all.put("exp_avg." + path, s.expAvg));
        slots.forEach((path, s) -> all.put("exp_avg_sq." + path, s.expAvgSq));
        return all;
    }

    @Override
    public long steps() {
        return steps;
    }

    @Override
    public void resumeAt(long steps) {
        this.steps = steps;
    }

    @Override
    public void close() {
        state().values().forEach(Tensor::close);
        slots.clear();
    }
}
