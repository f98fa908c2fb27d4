package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * Compares the gradient that the tape computes in float64 with central differences, (f(x + h) - f(x - h)) / 2h, of
 * f = the sum of the first result times fixed random numbers.
 */
public final class GradCheck {
    /** Error of the differences: h^2 from the cut series and 1e-16 / h from rounding; both 1e-10 to 1e-11 here. */
    private static final double STEP = 1e-5;

    /** Of the largest element of a gradient. */
    private static final double TOLERANCE = 1e-6;

    /** Elements of an operand that are tried; of larger operands every n-th. */
    private static final int MOST_ELEMENTS = 12;

    private GradCheck() {}

    /** Checks every differentiable operand of a case on the CPU; a result for each. */
    public static List<Compare.Result> check(OpCase c, long seed) {
        return Scope.run(() -> {
            List<Tensor> operands = c.operands(seed, DType.F64, Device.CPU);
            List<Compare.Result> results = new ArrayList<>();
            List<Tensor> weights = weights(c, operands, seed);
            c.differentiable().forEach(i -> operands.get(i).requireGrad());
            Gradients gradients = Tape.gradients(() -> objective(c, operands, weights));
            c.differentiable().forEach(i -> operands.get(i).freeze());
            for (int i : new TreeSet<>(c.differentiable())) {
                Tensor gradient = gradients.of(operands.get(i));
                double[] tape = gradient == null
                        ? new double[Math.toIntExact(operands.get(i).size())]
                        : gradient.toDoubles();
                results.add(compare(c, operands, i, weights, tape));
            }
            return results;
        });
    }

    private static Compare.Result compare(
            OpCase c, List<Tensor> operands, int index, List<Tensor> weights, double[] tape) {
        Tensor operand = operands.get(index);
        double[] x = operand.toDoubles();
        double[] want = tape.clone();
        double largest = 0;
        int every = 1 + x.length / MOST_ELEMENTS;
        for (int i = 0; i < x.length; i += every) {
            double h = STEP * Math.max(1, Math.abs(x[i]));
            want[i] = (at(c, operands, index, weights, x, i, h) - at(c, operands, index, weights, x, i, -h)) / (2 * h);
            largest = Math.max(largest, Math.abs(want[i]));
        }
        Tolerance tolerance = new Tolerance(TOLERANCE * Math.max(largest, 1e-3), 0);
        return Compare.arrays(
                "gradient of " + c.name() + " for operand " + index, want, tape, operand.shape(), tolerance);
    }

    private static double at(
            OpCase c, List<Tensor> operands, int index, List<Tensor> weights, double[] x, int element, double change) {
        return Scope.run(() -> {
            double[] moved = x.clone();
            moved[element] += change;
            List<Tensor> all = new ArrayList<>(operands);
            all.set(index, Tensor.of(moved, operands.get(index).shape().dims()));
            return objective(c, all, weights).item();
        });
    }

    /** All results that have a gradient, weighted. */
    private static Tensor objective(OpCase c, List<Tensor> operands, List<Tensor> weights) {
        List<Tensor> results = c.run(operands);
        Tensor sum = results.getFirst().mul(weights.getFirst()).sum();
        for (int i = 1; i < weights.size(); i++) {
            sum = sum.add(results.get(i).mul(weights.get(i)).sum());
        }
        return sum;
    }

    private static List<Tensor> weights(OpCase c, List<Tensor> operands, long seed) {
        Op op = c.op(operands);
        List<Tensor> results = c.run(operands);
        List<Tensor> weights = new ArrayList<>();
        for (int i = 0; i < results.size() && op.hasGradient(i); i++) {
            weights.add(weights(results.get(i).shape(), seed + i));
        }
        return weights;
    }

    private static Tensor weights(Shape shape, long seed) {
        Rng rng = new Rng(seed, 1);
        double[] w = new double[Math.toIntExact(shape.size())];
        for (int i = 0; i < w.length; i++) {
            w[i] = rng.nextGaussian();
        }
        return Tensor.of(w, shape.dims());
    }
}
