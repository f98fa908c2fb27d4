package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Norm;

/** Twins of {@link Norm}. */
final class ScalarNorm {
    private ScalarNorm() {}

    static void run(Norm op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Norm.LayerNorm n -> layerNorm(in, 1, n.eps(), out, 1);
            case Norm.AddLayerNorm n -> layerNorm(in, 2, n.eps(), out, 2);
            case Norm.LayerNormGrad n -> layerNormGrad(in, out);
            case Norm.RmsNorm n -> rmsNorm(in, 1, n.eps(), out, 1);
            case Norm.AddRmsNorm n -> rmsNorm(in, 2, n.eps(), out, 2);
            case Norm.RmsNormGrad n -> rmsNormGrad(in, out);
        }
    }

    /** The first operand, or the sum of the first two, which is then the second result. */
    private static double[] sum(Tensor[] in, int operands, Tensor[] out) {
        double[] x = ScalarMemory.read(in[0]);
        if (operands == 2) {
            double[] added = ScalarMemory.read(in[1]);
            for (int i = 0; i < x.length; i++) {
                x[i] += added[i];
            }
            ScalarMemory.write(x, out[1]);
        }
        return x;
    }

    /** Weight and bias follow {@code operands} others, the statistics {@code results} others. */
    private static void layerNorm(Tensor[] in, int operands, double eps, Tensor[] out, int results) {
        double[] x = sum(in, operands, out);
        double[] weight = ScalarMemory.readOrNull(in[operands]);
        double[] bias = ScalarMemory.readOrNull(in[operands + 1]);
        int c = in[0].dim(-1);
        double[] mean = new double[x.length / c];
        double[] rstd = new double[x.length / c];
        for (int r = 0; r < mean.length; r++) {
            double sum = 0;
            for (int j = 0; j < c; j++) {
                sum += x[r * c + j];
            }
            mean[r] = sum / c;
            double squares = 0;
            for (int j = 0; j < c; j++) {
                double d = x[r * c + j] - mean[r];
                squares += d * d;
            }
            rstd[r] = 1 / Math.sqrt(squares / c + eps);
            for (int j = 0; j < c; j++) {
                double y = (x[r * c + j] - mean[r]) * rstd[r];
                x[r * c + j] = at(weight, j, 1) * y + at(bias, j, 0);
            }
        }
        ScalarMemory.write(x, out[0]);
        ScalarMemory.write(mean, out[results]);
        ScalarMemory.write(rstd, out[results + 1]);
    }

    /** With h = (x - mean) * rstd and g = weight * dy: dx = other + rstd * (g - mean(g) - h * mean(g * h)). */
    private static void layerNormGrad(Tensor[] in, Tensor[] out) {
        double[] x = ScalarMemory.read(in[0]);
        double[] weight = ScalarMemory.readOrNull(in[1]);
        double[] mean = ScalarMemory.read(in[2]);
        double[] rstd = ScalarMemory.read(in[3]);
        double[] dy = ScalarMemory.read(in[4]);
        double[] other = ScalarMemory.readOrNull(in[5]);
        int c = in[0].dim(-1);
        double[] dx = new double[x.length];
        double[] dWeight = new double[c];
        double[] dBias = new double[c];
        for (int r = 0; r < mean.length; r++) {
            double meanG = 0;
            double meanGH = 0;
            for (int j = 0; j < c; j++) {
                double h = (x[r * c + j] - mean[r]) * rstd[r];
                double g = at(weight, j, 1) * dy[r * c + j];
                meanG += g / c;
                meanGH += g * h / c;
                dWeight[j] += dy[r * c + j] * h;
                dBias[j] += dy[r * c + j];
            }
            for (int j = 0; j < c; j++) {
                double h = (x[r * c + j] - mean[r]) * rstd[r];
                double g = at(weight, j, 1) * dy[r * c + j];
                dx[r * c + j] = at(other, r * c + j, 0) + rstd[r] * (g - meanG - h * meanGH);
            }
        }
        ScalarMemory.write(dx, out[0]);
        ScalarMemory.write(dWeight, out[1]);
        ScalarMemory.write(dBias, out[2]);
    }

    private static void rmsNorm(Tensor[] in, int operands, double eps, Tensor[] out, int results) {
        double[] x = sum(in, operands, out);
        double[] weight = ScalarMemory.readOrNull(in[operands]);
        int c = in[0].dim(-1);
        double[] rstd = new double[x.length / c];
        for (int r = 0; r < rstd.length; r++) {
            double squares = 0;
            for (int j = 0; j < c; j++) {
                squares += x[r * c + j] * x[r * c + j];
            }
            rstd[r] = 1 / Math.sqrt(squares / c + eps);
            for (int j = 0; j < c; j++) {
                x[r * c + j] *= rstd[r] * at(weight, j, 1);
            }
        }
        ScalarMemory.write(x, out[0]);
        ScalarMemory.write(rstd, out[results]);
    }

    /** With h = x * rstd and g = weight * dy: dx = other + rstd * (g - h * mean(g * h)). */
    private static void rmsNormGrad(Tensor[] in, Tensor[] out) {
        double[] x = ScalarMemory.read(in[0]);
        double[] weight = ScalarMemory.readOrNull(in[1]);
        double[] rstd = ScalarMemory.read(in[2]);
        double[] dy = ScalarMemory.read(in[3]);
        double[] other = ScalarMemory.readOrNull(in[4]);
        int c = in[0].dim(-1);
        double[] dx = new double[x.length];
        double[] dWeight = new double[c];
        for (int r = 0; r < rstd.length; r++) {
            double meanGH = 0;
            for (int j = 0; j < c; j++) {
                double h = x[r * c + j] * rstd[r];
                meanGH += at(weight, j, 1) * dy[r * c + j] * h / c;
                dWeight[j] += dy[r * c + j] * h;
            }
            for (int j = 0; j < c; j++) {
                double h = x[r * c + j] * rstd[r];
                dx[r * c + j] = at(other, r * c + j, 0) + rstd[r] * (at(weight, j, 1) * dy[r * c + j] - h * meanGH);
            }
        }
        ScalarMemory.write(dx, out[0]);
        ScalarMemory.write(dWeight, out[1]);
    }

    private static double at(double[] x, int i, double absent) {
        return x == null ? absent : x[i];
    }
}
