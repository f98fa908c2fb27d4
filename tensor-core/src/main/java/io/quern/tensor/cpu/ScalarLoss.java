package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Loss;

/** Twins of {@link Loss}. */
final class ScalarLoss {
    private ScalarLoss() {}

    static void run(Loss op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Loss.CrossEntropy c -> crossEntropy(c, in, out);
            case Loss.CrossEntropyGrad c -> crossEntropyGrad(c, in, out[0]);
        }
    }

    private static void crossEntropy(Loss.CrossEntropy op, Tensor[] in, Tensor[] out) {
        double[] x = ScalarMemory.read(in[0]);
        int[] target = ScalarMemory.readInts(in[1]);
        double[] w = ScalarMemory.readOrNull(in[2]);
        int v = in[0].dim(1);
        double s = op.smoothing();
        double[] loss = new double[target.length];
        double[] lse = new double[target.length];
        double[] weight = new double[target.length];
        for (int r = 0; r < target.length; r++) {
            lse[r] = logSumExp(x, r * v, v);
            int t = target[r];
            if (t == op.ignoreIndex()) {
                continue;
            }
            check(op.name(), t, r, v, op.ignoreIndex());
            weight[r] = w == null ? 1 : w[t];
            loss[r] = (1 - s) * weight[r] * (lse[r] - x[r * v + t]);
            // Without smoothing a class of logit -inf must not give 0 * inf.
            for (int c = 0; s > 0 && c < v; c++) {
                loss[r] += s / v * (w == null ? 1 : w[c]) * (lse[r] - x[r * v + c]);
            }
        }
        ScalarMemory.write(loss, out[0]);
        ScalarMemory.write(lse, out[1]);
        ScalarMemory.write(weight, out[2]);
    }

    private static void crossEntropyGrad(Loss.CrossEntropyGrad op, Tensor[] in, Tensor out) {
        double[] x = ScalarMemory.read(in[0]);
        int[] target = ScalarMemory.readInts(in[1]);
        double[] w = ScalarMemory.readOrNull(in[2]);
        double[] lse = ScalarMemory.read(in[3]);
        double[] dLoss = ScalarMemory.read(in[4]);
        int v = in[0].dim(1);
        double s = op.smoothing();
        double weights = 0;
        for (int c = 0; c < v; c++) {
            weights += w == null ? 1 : w[c];
        }
        double[] dx = new double[x.length];
        for (int r = 0; r < target.length; r++) {
            int t = target[r];
            if (t == op.ignoreIndex()) {
                continue;
            }
            check(op.name(), t, r, v, op.ignoreIndex());
            double wt = w == null ? 1 : w[t];
            for (int c = 0; c < v; c++) {
                double p = Math.exp(x[r * v + c] - lse[r]);
                double hit = c == t ? 1 : 0;
                double wc = w == null ? 1 : w[c];
                dx[r * v + c] = dLoss[r] * ((1 - s) * wt * (p - hit) + s / v * (weights * p - wc));
            }
        }
        ScalarMemory.write(dx, out);
    }

    private static double logSumExp(double[] x, int at, int n) {
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < n; j++) {
            max = Math.max(max, x[at + j]);
        }
        double sum = 0;
        for (int j = 0; j < n; j++) {
            sum += Math.exp(x[at + j] - max);
        }
        return max + Math.log(sum);
    }

    static void check(String op, int target, int row, int classes, int ignoreIndex) {
        if (target < 0 || target >= classes) {
            throw new TensorException(op + ": target " + target + " of row " + row + " is not one of the classes 0 to "
                    + (classes - 1) + " nor " + ignoreIndex + ", which is ignored");
        }
    }
}
