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

/** What the optimizers share whose step is one fused operation over all parameters: the parameters and their state. */
abstract class FusedOptimizer implements Optimizer {
    private record Slot(Param param, double weightDecay, List<Tensor> state) {}

    private final String name;
    private final List<String> stateNames;
    private final Map<String, Slot> slots = new LinkedHashMap<>();
    private long steps;

    /**
     * Allocates the state, in tensors beside their parameters.
     *
     * @param stateNames of the tensors kept for each parameter, as PyTorch names them
     * @param initial their value at the start
     */
    FusedOptimizer(String name, List<ParamGroup> groups, List<String> stateNames, double initial) {
        this.name = name;
        this.stateNames = List.copyOf(stateNames);
        for (ParamGroup group : groups) {
            group.params().forEach((path, p) -> add(path, p, group.weightDecay(), initial));
        }
    }

    private void add(String path, Param p, double weightDecay, double initial) {
        Tensor x = p.value();
        if (x.dtype() != DType.F32 && x.dtype() != DType.F64) {
            close();
            throw new TensorException(name + ": parameter " + x.describe() + " of " + path
                    + " is too coarse to sum small steps; train in F32");
        }
        if (slots.containsKey(path)) {
            close();
            throw new IllegalArgumentException(name + ": parameter " + path + " is in two groups");
        }
        List<Tensor> state = stateNames.stream()
                .map(s -> Tensor.full(x.device(), x.dtype(), x.shape(), initial)
                        .keep()
                        .named(s + "." + path))
                .toList();
        slots.put(path, new Slot(p, weightDecay, state));
    }

    /** Refuses an option that is out of its range. */
    static void check(String optimizer, String option, double value, boolean valid) {
        if (!valid) {
            throw new IllegalArgumentException(optimizer + ": " + option + " is out of range: " + value);
        }
    }

    /**
     * The parameters that have a gradient, and what goes with them.
     *
     * @param state by parameter, in the order of the state's names
     */
    record Operands(List<Tensor> params, List<Tensor> grads, List<List<Tensor>> state, List<Double> weightDecay) {}

    /** The operation of one step; {@code step} counts from 1. */
    abstract Update update(Operands operands, double lr, double gradScale, long step);

    @Override
    public final void step(Gradients gradients, double lr, double gradScale) {
        Operands o = new Operands(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (Slot s : slots.values()) {
            Tensor g = gradients.of(s.param.value());
            if (g != null) {
                o.params.add(s.param.value());
                o.grads.add(g);
                o.state.add(s.state);
                o.weightDecay.add(s.weightDecay);
            }
        }
        steps++;
        if (!o.params.isEmpty()) {
            Tensor.runAll(update(o, lr, gradScale, steps));
        }
    }

    @Override
    public final Map<String, Param> params() {
        Map<String, Param> all = new LinkedHashMap<>();
        slots.forEach((path, s) -> all.put(path, s.param));
        return all;
    }

    @Override
    public final Map<String, Tensor> state() {
        Map<String, Tensor> all = new LinkedHashMap<>();
        for (int i = 0; i < stateNames.size(); i++) {
            int j = i;
            slots.forEach((path, s) -> all.put(stateNames.get(j) + "." + path, s.state.get(j)));
        }
        return all;
    }

    @Override
    public final long steps() {
        return steps;
    }

    @Override
    public final void resumeAt(long steps) {
        this.steps = steps;
    }

    @Override
    public final void close() {
        slots.values().forEach(s -> s.state.forEach(Tensor::close));
        slots.clear();
    }
}
