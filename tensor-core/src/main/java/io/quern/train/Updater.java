package io.quern.train;

import io.quern.nn.Param;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorHolder;
import io.quern.train.data.Batches;
import io.quern.train.optim.GradientClip;
import io.quern.train.optim.L1Penalty;
import io.quern.train.optim.Optimizer;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/** Makes one update of a {@link Trainer}: the gradients of its batches, what is done to them, and the optimizer's step. */
final class Updater<B> {
    /** What came of an update: the mean loss, the norm of the gradients before clipping, and the items seen. */
    record Update(double loss, double gradNorm, long items) {}

    private record MicroBatch(Gradients gradients, long items) implements TensorHolder {
        @Override
        public void forEachTensor(Consumer<Tensor> action) {
            gradients.forEachTensor(action);
        }
    }

    private final Function<? super B, Tensor> loss;
    private final Batches<B> data;
    private final Optimizer optimizer;

    int accumulation = 1;
    double clipNorm = Double.POSITIVE_INFINITY;
    double clipValue = Double.POSITIVE_INFINITY;
    double l1;
    long seed;

    Updater(Function<? super B, Tensor> loss, Batches<B> data, Optimizer optimizer) {
        this.loss = loss;
        this.data = data;
        this.optimizer = optimizer;
    }

    /**
     * Updates the parameters, inside a scope of the caller's.
     *
     * @param step updates done before
     * @param batchesTaken by them
     * @throws NotFiniteException if the loss or a gradient is not finite; the parameters are as before
     */
    Update update(long step, long batchesTaken, double lr) {
        Gradients sum = null;
        Tensor[] losses = new Tensor[accumulation];
        long items = 0;
        for (int i = 0; i < accumulation; i++) {
            long index = batchesTaken + i;
            MicroBatch micro = Scope.tidy(() -> {
                B batch = data.batch(index);
                Gradients g = TrainingMode.with(seed, index, () -> Tape.gradients(() -> loss.apply(batch)));
                return new MicroBatch(g, data.items(batch));
            });
            items += micro.items;
            if (sum == null) {
                sum = micro.gradients;
                losses[i] = sum.loss();
            } else {
                losses[i] = micro.gradients.loss().copy();
                sum.add(micro.gradients);
                micro.gradients.close();
            }
        }
        Collection<Param> params = optimizer.params().values();
        if (l1 > 0) {
            // The gradients are sums over the batches until the optimizer scales them.
            L1Penalty.add(sum, matrices(params), l1 * accumulation);
        }
        // Reading waits for the device, so all that it has to do before the optimizer's step is started first.
        Tensor squares = GradientClip.squaredNorm(sum, params);
        double meanLoss = mean(losses);
        double norm = GradientClip.norm(squares) / accumulation;
        if (!Double.isFinite(meanLoss) || !Double.isFinite(norm)) {
            throw notFinite(step, batchesTaken, meanLoss, sum);
        }
        double clipped = norm;
        if (clipValue < Double.POSITIVE_INFINITY) {
            GradientClip.byValue(sum, params, clipValue * accumulation);
            clipped = GradientClip.norm(sum, params) / accumulation;
        }
        optimizer.step(sum, lr, GradientClip.scale(clipped, clipNorm) / accumulation);
        return new Update(meanLoss, norm, items);
    }

    private static double mean(Tensor[] losses) {
        double sum = 0;
        for (Tensor loss : losses) {
            sum += loss.item();
        }
        return sum / losses.length;
    }

    /** Those that decay: not biases, nor the weights of norms. */
    private static List<Param> matrices(Collection<Param> params) {
        return params.stream().filter(p -> p.shape().rank() >= 2).toList();
    }

    private NotFiniteException notFinite(long step, long batchesTaken, double meanLoss, Gradients gradients) {
        String where = "";
        for (Map.Entry<String, Param> p : optimizer.params().entrySet()) {
            if (!Double.isFinite(GradientClip.norm(gradients, List.of(p.getValue())))) {
                where = "; the first parameter whose gradient is not finite is " + p.getKey();
                break;
            }
        }
        return new NotFiniteException(
                step + 1,
                "step " + (step + 1) + ": the loss is " + meanLoss + where + ". The parameters are as after step "
                        + step
                        + "; lower the learning rate, clip the gradients or lengthen the warm-up, or look at data"
                        + " batch "
                        + batchesTaken + (accumulation == 1 ? "" : " to " + (batchesTaken + accumulation - 1)));
    }
}
