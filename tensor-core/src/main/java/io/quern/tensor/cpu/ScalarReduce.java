package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Reduce;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** Twins of {@link Reduce}. */
final class ScalarReduce {
    private ScalarReduce() {}

    static void run(Reduce op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Reduce.Axes a -> ScalarMemory.write(axes(a.kind(), in[0], out[0]), out[0]);
            case Reduce.ArgMax a -> ScalarMemory.write(argMax(in[0]), out[0]);
            case Reduce.TopK t -> topK(in[0], t.k(), out[0], out[1]);
            case Reduce.Softmax s -> ScalarMemory.write(softmax(in[0], s.log()), out[0]);
            case Reduce.SoftmaxGrad s -> ScalarMemory.write(softmaxGrad(in[0], in[1], s.log()), out[0]);
            case Reduce.SquaredNorm s -> {
                double sum = 0;
                for (Tensor t : in) {
                    for (double x : ScalarMemory.read(t)) {
                        sum += x * x;
                    }
                }
                ScalarMemory.write(new double[] {sum}, out[0]);
            }
        }
    }

    private static double[] axes(Reduce.Kind kind, Tensor t, Tensor out) {
        double[] x = ScalarMemory.read(t);
        double[] y = new double[Math.toIntExact(out.size())];
        Arrays.fill(
                y,
                switch (kind) {
                    case SUM, MEAN -> 0;
                    case MAX -> Double.NEGATIVE_INFINITY;
                    case MIN -> Double.POSITIVE_INFINITY;
                });
        int[] to = ScalarMemory.broadcastIndex(out.shape(), t.shape());
        for (int i = 0; i < x.length; i++) {
            y[to[i]] = switch (kind) {
                case SUM, MEAN -> y[to[i]] + x[i];
                case MAX -> Math.max(y[to[i]], x[i]);
                case MIN -> Math.min(y[to[i]], x[i]);
            };
        }
        if (kind == Reduce.Kind.MEAN) {
            for (int i = 0; i < y.length; i++) {
                y[i] /= (double) x.length / y.length;
            }
        }
        return y;
    }

    private static double[] argMax(Tensor t) {
        double[] x = ScalarMemory.read(t);
        int n = t.dim(-1);
        double[] y = new double[x.length / n];
        for (int r = 0; r < y.length; r++) {
            int best = 0;
            for (int j = 1; j < n; j++) {
                if (x[r * n + j] > x[r * n + best]) {
                    best = j;
                }
            }
            y[r] = best;
        }
        return y;
    }

    private static void topK(Tensor t, int k, Tensor values, Tensor indices) {
        double[] x = ScalarMemory.read(t);
        int n = t.dim(-1);
        double[] best = new double[x.length / n * k];
        double[] at = new double[best.length];
        for (int r = 0; r < x.length / n; r++) {
            int row = r * n;
            // -0 + 0 is 0, which it equals; Java sorts NaN above all others.
            List<Integer> order = IntStream.range(0, n)
                    .boxed()
                    .sorted(Comparator.<Integer>comparingDouble(i -> x[row + i] + 0.0)
                            .reversed()
                            .thenComparing(Comparator.naturalOrder()))
                    .toList();
            for (int rank = 0; rank < k; rank++) {
                best[r * k + rank] = x[row + order.get(rank)];
                at[r * k + rank] = order.get(rank);
            }
        }
        ScalarMemory.write(best, values);
        ScalarMemory.write(at, indices);
    }

    private static double[] softmax(Tensor t, boolean log) {
        double[] x = ScalarMemory.read(t);
        int n = t.dim(-1);
        for (int at = 0; at < x.length; at += n) {
            double max = Double.NEGATIVE_INFINITY;
            for (int j = 0; j < n; j++) {
                max = Math.max(max, x[at + j]);
            }
            double sum = 0;
            for (int j = 0; j < n; j++) {
                sum += Math.exp(x[at + j] - max);
            }
            for (int j = 0; j < n; j++) {
                double shifted = x[at + j] - max;
                x[at + j] = log ? shifted - Math.log(sum) : Math.exp(shifted) / sum;
            }
        }
        return x;
    }

    private static double[] softmaxGrad(Tensor ty, Tensor tdy, boolean log) {
        double[] y = ScalarMemory.read(ty);
        double[] dy = ScalarMemory.read(tdy);
        int n = ty.dim(-1);
        for (int at = 0; at < y.length; at += n) {
            double sum = 0;
            for (int j = at; j < at + n; j++) {
                sum += log ? dy[j] : dy[j] * y[j];
            }
            for (int j = at; j < at + n; j++) {
                y[j] = log ? dy[j] - Math.exp(y[j]) * sum : y[j] * (dy[j] - sum);
            }
        }
        return y;
    }
}
