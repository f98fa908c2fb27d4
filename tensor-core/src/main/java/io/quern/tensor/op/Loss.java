package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.List;

/** Losses with a fused gradient. */
public sealed interface Loss extends Op {

    /**
     * Softmax cross-entropy of rows, never storing the probabilities: with s the smoothing, V classes and w the class
     * weights, {@code (1 - s) * w[t] * -log p[t] + s / V * sum_c w[c] * -log p[c]}. Results, each [N]: the loss of a row
     * (0 if its target is {@code ignoreIndex}), the logarithm of its sum of exponentials, and its weight (w[t], or 0 if
     * ignored), by whose sum a mean divides. A target outside [0, V) that is not ignored is an error.
     *
     * @param logits [N, V]
     * @param targets I32 [N]
     * @param classWeights [V] or null
     */
    record CrossEntropy(Tensor logits, Tensor targets, Tensor classWeights, int ignoreIndex, double smoothing)
            implements Loss {
        public CrossEntropy {
            if (!(smoothing >= 0 && smoothing <= 1)) {
                throw new TensorException("cross_entropy: the label smoothing must be in [0, 1], not " + smoothing);
            }
        }

        @Override
        public String name() {
            return "cross_entropy";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(logits, targets, classWeights);
        }

        @Override
        public Layout layout(int i) {
            return i == 0 ? Layout.ROWS : Layout.PACKED;
        }

        @Override
        public List<Spec> outputs() {
            Checks.floating(name(), logits);
            Checks.rank(name(), 2, logits);
            Checks.dtype(name(), DType.I32, targets);
            int n = logits.shape().dim(0);
            int v = logits.shape().dim(1);
            if (targets.shape().rank() != 1 || targets.shape().dim(0) != n) {
                throw Checks.error(name(), "there must be a target for each row", logits, targets);
            }
            if (v == 0) {
                throw Checks.error(name(), "there are no classes", logits);
            }
            Checks.vector(name(), "the class weights", v, classWeights, logits);
            Spec perRow = new Spec(Shape.of(n), logits.dtype() == DType.F64 ? DType.F64 : DType.F32);
            return List.of(perRow, perRow, perRow);
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0, 1, 2).andOutputs(1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(
                    Tensor.run(new CrossEntropyGrad(
                            logits, targets, classWeights, b.output(1), b.gradient(0), ignoreIndex, smoothing)),
                    null,
                    null);
        }

        @Override
        public long flops() {
            return 4 * logits.shape().size();
        }
    }

    /** Gradient with respect to the logits [N, V], from the gradient dLoss [N] of every row's loss. */
    record CrossEntropyGrad(
            Tensor logits,
            Tensor targets,
            Tensor classWeights,
            Tensor lse,
            Tensor dLoss,
            int ignoreIndex,
            double smoothing)
            implements Loss {
        @Override
        public String name() {
            return "cross_entropy_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(logits, targets, classWeights, lse, dLoss);
        }

        @Override
        public Layout layout(int i) {
            return i == 0 ? Layout.ROWS : Layout.PACKED;
        }

        @Override
        public List<Spec> outputs() {
            return List.of(new Spec(logits.shape(), logits.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }

        @Override
        public long flops() {
            return 4 * logits.shape().size();
        }
    }
}
