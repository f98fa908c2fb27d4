package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Elementwise.CompareKind;
import io.quern.tensor.op.Elementwise.UnaryKind;

/** Twins of {@link Elementwise}. */
final class ScalarElementwise {
    private static final double SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
    private static final double GELU_CUBIC = 0.044715;

    private ScalarElementwise() {}

    static void run(Elementwise op, Tensor[] in, Tensor[] results) {
        Tensor out = results[0];
        switch (op) {
            case Elementwise.Unary u -> {
                double[] x = ScalarMemory.read(in[0]);
                for (int i = 0; i < x.length; i++) {
                    x[i] = unary(u.kind(), x[i]);
                }
                ScalarMemory.write(x, out);
            }
            case Elementwise.UnaryGrad u -> {
                double[] x = ScalarMemory.read(in[0]);
                double[] dy = ScalarMemory.read(in[1]);
                for (int i = 0; i < x.length; i++) {
                    x[i] = dy[i] * derivative(u.kind(), x[i]);
                }
                ScalarMemory.write(x, out);
            }
            case Elementwise.BiasUnary u -> {
                double[] x = ScalarMemory.read(in[0]);
                double[] bias = ScalarMemory.read(in[1]);
                for (int i = 0; i < x.length; i++) {
                    x[i] = unary(u.kind(), x[i] + bias[i % bias.length]);
                }
                ScalarMemory.write(x, out);
            }
            case Elementwise.BiasUnaryGrad u -> {
                double[] x = ScalarMemory.read(in[0]);
                double[] bias = ScalarMemory.read(in[1]);
                double[] dy = ScalarMemory.read(in[2]);
                double[] dBias = new double[bias.length];
                for (int i = 0; i < x.length; i++) {
                    x[i] = dy[i] * derivative(u.kind(), x[i] + bias[i % bias.length]);
                    dBias[i % bias.length] += x[i];
                }
                ScalarMemory.write(x, out);
                ScalarMemory.write(dBias, results[1]);
            }
            case Elementwise.Binary b -> {
                if (out.dtype() == DType.I32) {
                    integers(b.kind(), in[0], in[1], out);
                } else {
                    double[] x = broadcast(in[0], out.shape());
                    double[] y = broadcast(in[1], out.shape());
                    for (int i = 0; i < x.length; i++) {
                        x[i] = binary(b.kind(), x[i], y[i]);
                    }
                    ScalarMemory.write(x, out);
                }
            }
            case Elementwise.Compare c -> {
                double[] x = broadcast(in[0], out.shape());
                double[] y = broadcast(in[1], out.shape());
                for (int i = 0; i < x.length; i++) {
                    x[i] = compare(c.kind(), x[i], y[i]) ? 1 : 0;
                }
                ScalarMemory.write(x, out);
            }
            case Elementwise.Affine a -> {
                double[] x = ScalarMemory.read(in[0]);
                for (int i = 0; i < x.length; i++) {
                    x[i] = a.scale() * x[i] + a.shift();
                }
                ScalarMemory.write(x, out);
            }
            case Elementwise.Where w -> {
                double[] condition = broadcast(in[0], out.shape());
                double[] x = broadcast(in[1], out.shape());
                double[] y = broadcast(in[2], out.shape());
                for (int i = 0; i < x.length; i++) {
                    x[i] = condition[i] != 0 ? x[i] : y[i];
                }
                ScalarMemory.write(x, out);
            }
            case Elementwise.Cast c -> ScalarMemory.write(ScalarMemory.read(in[0]), out);
            case Elementwise.Dropout d -> {
                double[] x = ScalarMemory.read(in[0]);
                for (int i = 0; i < x.length; i++) {
                    boolean drop = Rng.toUniform(Rng.bits(d.seed(), d.stream(), i)) < d.p();
                    x[i] = drop ? 0 : x[i] / (1 - d.p());
                }
                ScalarMemory.write(x, out);
            }
        }
    }

    private static double[] broadcast(Tensor t, Shape to) {
        double[] x = ScalarMemory.read(t);
        if (t.shape().equals(to)) {
            return x;
        }
        int[] index = ScalarMemory.broadcastIndex(t.shape(), to);
        double[] y = new double[index.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = x[index[i]];
        }
        return y;
    }

    private static double unary(UnaryKind kind, double x) {
        return switch (kind) {
            case NEG -> -x;
            case EXP -> Math.exp(x);
            case LOG -> Math.log(x);
            case SQRT -> Math.sqrt(x);
            case RSQRT -> 1 / Math.sqrt(x);
            case RECIPROCAL -> 1 / x;
            case SQUARE -> x * x;
            case ABS -> Math.abs(x);
            case RELU -> Math.max(x, 0);
            case SIGMOID -> sigmoid(x);
            case TANH -> Math.tanh(x);
            case GELU -> x * ScalarErf.normalCdf(x);
            case GELU_TANH -> x * sigmoid(2 * geluArgument(x));
            case SILU -> x * sigmoid(x);
        };
    }

    private static double derivative(UnaryKind kind, double x) {
        return switch (kind) {
            case NEG -> -1;
            case EXP -> Math.exp(x);
            case LOG -> 1 / x;
            case SQRT -> 0.5 / Math.sqrt(x);
            case RSQRT -> -0.5 / (x * Math.sqrt(x));
            case RECIPROCAL -> -1 / (x * x);
            case SQUARE -> 2 * x;
            case ABS -> Math.signum(x);
            case RELU -> x > 0 ? 1 : 0;
            case SIGMOID -> sigmoid(x) * sigmoid(-x);
            case TANH -> 1 - Math.tanh(x) * Math.tanh(x);
            case GELU -> ScalarErf.normalCdf(x) + x * ScalarErf.normalDensity(x);
            case GELU_TANH -> {
                double u = 2 * geluArgument(x);
                double du = 2 * SQRT_2_OVER_PI * (1 + 3 * GELU_CUBIC * x * x);
                yield sigmoid(u) + x * sigmoid(u) * sigmoid(-u) * du;
            }
            case SILU -> sigmoid(x) + x * sigmoid(x) * sigmoid(-x);
        };
    }

    /** 1 / (1 + exp(-x)); (1 + tanh u) / 2 is sigmoid(2 u), which keeps its precision where tanh u is near -1. */
    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    private static double geluArgument(double x) {
        return SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x);
    }

    private static double binary(BinaryKind kind, double a, double b) {
        return switch (kind) {
            case ADD -> a + b;
            case SUB -> a - b;
            case MUL -> a * b;
            case DIV -> a / b;
            case MAX -> Math.max(a, b);
            case MIN -> Math.min(a, b);
        };
    }

    /** Java's int arithmetic: it wraps, and division rounds towards zero. */
    private static void integers(BinaryKind kind, Tensor ta, Tensor tb, Tensor out) {
        int[] x = ScalarMemory.readInts(ta);
        int[] y = ScalarMemory.readInts(tb);
        int[] xi = ScalarMemory.broadcastIndex(ta.shape(), out.shape());
        int[] yi = ScalarMemory.broadcastIndex(tb.shape(), out.shape());
        int[] z = new int[xi.length];
        for (int i = 0; i < z.length; i++) {
            int a = x[xi[i]];
            int b = y[yi[i]];
            if (kind == BinaryKind.DIV && b == 0) {
                throw new TensorException("div: I32 element " + i + " of the result divides " + a
                        + " by zero; cast to a floating-point dtype first to get an infinity");
            }
            z[i] = switch (kind) {
                case ADD -> a + b;
                case SUB -> a - b;
                case MUL -> a * b;
                case DIV -> a / b;
                case MAX -> Math.max(a, b);
                case MIN -> Math.min(a, b);
            };
        }
        OffHeap.write(z, 0, out.address(), z.length);
    }

    private static boolean compare(CompareKind kind, double a, double b) {
        return switch (kind) {
            case EQ -> a == b;
            case NE -> a != b;
            case LT -> a < b;
            case LE -> a <= b;
            case GT -> a > b;
            case GE -> a >= b;
        };
    }
}
