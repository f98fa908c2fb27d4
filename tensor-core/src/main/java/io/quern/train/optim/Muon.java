package io.quern.train.optim;

import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Update;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Muon: momentum, made orthogonal by Newton-Schulz iterations, for the hidden matrices of a model. Embeddings, output
 * layers, biases and norms want {@link AdamW}; {@link Optimizers#together} runs both. A weight of more than two
 * dimensions counts as the matrix [first, rest]. Weight decay is decoupled.
 *
 * <p>The step of an [a, b] matrix is scaled by 0.2 * sqrt(max(a, b)), which gives it the size of AdamW's, so that one rate
 * serves both. Sources: Jordan et al., "Muon" (2024), for the iteration and its coefficients; Liu et al., "Muon is scalable
 * for LLM training" (2025), for decay and scale. Unlike PyTorch's, the iteration runs in the dtype of the parameters, not in
 * BF16.
 */
public final class Muon implements Optimizer {
    private static final double A = 3.4445;
    private static final double B = -4.7750;
    private static final double C = 2.0315;
    private static final double TINY = 1e-7;

    private record Slot(Param param, double weightDecay, Tensor momentum) {}

    private final Map<String, Slot> slots = new LinkedHashMap<>();
    private final double momentum;
    private final boolean nesterov;
    private final int iterations;
    private long steps;

    /** With momentum 0.95 in Nesterov's form and 5 iterations. */
    public Muon(List<ParamGroup> groups) {
        this(groups, 0.95, true, 5);
    }

    /**
     * @param groups of parameters of two dimensions or more
     * @param momentum decay of the mean of gradients
     * @param nesterov steps by the mean as it will be
     * @param iterations of Newton-Schulz
     */
    public Muon(List<ParamGroup> groups, double momentum, boolean nesterov, int iterations) {
        FusedOptimizer.check("muon", "momentum", momentum, momentum >= 0 && momentum < 1);
        FusedOptimizer.check("muon", "the number of iterations", iterations, iterations >= 1);
        this.momentum = momentum;
        this.nesterov = nesterov;
        this.iterations = iterations;
        for (ParamGroup group : groups) {
            group.params().forEach((path, p) -> add(path, p, group.weightDecay()));
        }
    }

    private void add(String path, Param p, double weightDecay) {
        Tensor x = p.value();
        if (x.shape().rank() < 2 || (x.dtype() != DType.F32 && x.dtype() != DType.F64) || slots.containsKey(path)) {
            close();
            throw new TensorException("muon: parameter " + x.describe() + " of " + path
                    + " must be a matrix of F32 or F64, once; give others to AdamW");
        }
        Tensor buffer = Tensor.zeros(x.device(), x.dtype(), x.shape()).keep().named("momentum_buffer." + path);
        slots.put(path, new Slot(p, weightDecay, buffer));
    }

    @Override
    public void step(Gradients gradients, double lr, double gradScale) {
        steps++;
        for (Slot s : slots.values()) {
            Tensor g = gradients.of(s.param.value());
            if (g != null) {
                Scope.run(() -> Tape.noGrad(() -> {
                    move(s, g.scale(gradScale), lr);
                    return null;
                }));
            }
        }
    }

    private void move(Slot s, Tensor g, double lr) {
        Tensor p = s.param.value();
        Tensor.runAll(new Update.Accumulate(s.momentum, g.sub(s.momentum), 1 - momentum));
        Tensor direction = nesterov ? g.scale(1 - momentum).add(s.momentum.scale(momentum)) : s.momentum;
        int rows = p.dim(0);
        int columns = Math.toIntExact(p.size() / Math.max(1, rows));
        Tensor step = orthogonal(direction.reshape(rows, columns), iterations)
                .scale(0.2 * Math.sqrt(Math.max(rows, columns)))
                .reshape(p.shape());
        Tensor.runAll(new Update.Accumulate(p, step.add(p.scale(s.weightDecay)), -lr));
    }

    /**
     * Nearly the orthogonal factor of the polar decomposition of a matrix: its singular values go to between 0.7 and 1.2
     * by the odd polynomial a x + b x^3 + c x^5, applied again and again.
     */
    static Tensor orthogonal(Tensor matrix, int iterations) {
        boolean tall = matrix.dim(0) > matrix.dim(1);
        double norm = Math.sqrt(matrix.square().sum().item());
        Tensor x = (tall ? matrix.transpose(0, 1) : matrix).scale(1 / Math.max(norm, TINY));
        for (int i = 0; i < iterations; i++) {
            Tensor before = x;
            x = Scope.tidy(() -> {
                Tensor gram = before.matmul(before.transpose(0, 1));
                Tensor polynomial = gram.scale(B).add(gram.matmul(gram).scale(C));
                return before.scale(A).add(polynomial.matmul(before));
            });
        }
        return tall ? x.transpose(0, 1) : x;
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
        slots.forEach((path, s) -> all.put("momentum_buffer." + path, s.momentum));
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
        slots.values().forEach(s -> s.momentum.close());
        slots.clear();
    }
}
