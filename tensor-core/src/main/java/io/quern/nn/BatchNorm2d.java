package io.quern.nn;

import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Norm;
import java.util.List;

/**
 * Batch norm of planes [N, C, H, W]: in {@link TrainingMode} by the mean and variance of the channel in this batch, which
 * also go into the running statistics; else by the running statistics. Source: Ioffe and Szegedy (2015).
 */
public final class BatchNorm2d extends Module {
    private final Param weight;
    private final Param bias;
    private final Param runningMean;
    private final Param runningVar;
    private final double momentum;
    private final double eps;

    /**
     * All tensors are [C].
     *
     * @param momentum part of a batch's statistics in the new running ones
     */
    public BatchNorm2d(Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVar, double momentum, double eps) {
        this.weight = param("weight", weight);
        this.bias = param("bias", bias);
        this.runningMean = param("running_mean", runningMean);
        this.runningVar = param("running_var", runningVar);
        this.runningMean.setTrainable(false);
        this.runningVar.setTrainable(false);
        this.momentum = momentum;
        this.eps = eps;
    }

    public Tensor forward(Tensor x) {
        Tensor y = TrainingMode.current() == null ? byRunningStatistics(x) : byBatch(x);
        return y.mul(weight.value().reshape(-1, 1, 1)).add(bias.value().reshape(-1, 1, 1));
    }

    private Tensor byRunningStatistics(Tensor x) {
        Tensor rstd = runningVar.value().shift(eps).rsqrt();
        return x.sub(runningMean.value().reshape(-1, 1, 1)).mul(rstd.reshape(-1, 1, 1));
    }

    /** A channel's elements as a row make it layer norm. */
    private Tensor byBatch(Tensor x) {
        int n = x.dim(0);
        int c = x.dim(1);
        int h = x.dim(2);
        int w = x.dim(3);
        long elements = (long) n * h * w;
        if (elements < 2) {
            throw new TensorException(
                    "batch norm: training needs more than one element per channel; got " + x.describe());
        }
        Tensor rows = x.transpose(0, 1).reshape(c, Math.toIntExact(elements));
        List<Tensor> r = Tensor.runAll(new Norm.LayerNorm(rows, null, null, eps));
        Tape.noGrad(() -> {
            Tensor variance = r.get(2).detach().square().reciprocal().shift(-eps);
            follow(runningMean, r.get(1).detach());
            follow(runningVar, variance.scale(elements / (elements - 1.0)));
            return null;
        });
        return r.get(0).reshape(c, n, h, w).transpose(0, 1);
    }

    private void follow(Param running, Tensor batch) {
        Tensor value = running.value();
        value.assign(value.scale(1 - momentum).add(batch.cast(value.dtype()).scale(momentum)));
    }
}
