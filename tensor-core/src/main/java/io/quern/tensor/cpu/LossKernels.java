package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;

import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.cpu.x86.SoftmaxCode;
import io.quern.tensor.op.Loss;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Cross-entropy of rows of logits. Forward reads a row once from memory: block by block, it finds the largest element and
 * adds up exponentials while the block is in the first-level cache, and scales the sum when the largest grows.
 */
final class LossKernels {
    private static final int BLOCK = 2048;

    private LossKernels() {}

    static void run(Loss op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Loss.CrossEntropy c -> crossEntropy(c, in, out);
            case Loss.CrossEntropyGrad c -> crossEntropyGrad(c, in, out[0]);
        }
    }

    private static int[] targets(String op, Tensor t, int classes, int ignoreIndex) {
        int[] target = new int[Math.toIntExact(t.size())];
        OffHeap.read(t.address(), target, 0, target.length);
        for (int r = 0; r < target.length; r++) {
            if (target[r] != ignoreIndex) {
                ScalarLoss.check(op, target[r], r, classes, ignoreIndex);
            }
        }
        return target;
    }

    private static long tasks(int classes) {
        return Math.max(1, ElementwiseKernels.CHUNK / classes);
    }

    private static void crossEntropy(Loss.CrossEntropy op, Tensor[] in, Tensor[] out) {
        int v = in[0].dim(1);
        int[] target = targets(op.name(), in[1], v, op.ignoreIndex());
        long x = in[0].address();
        long stride = 4 * in[0].stride(0);
        long weights = in[2] == null ? 0 : in[2].address();
        double s = op.smoothing();
        Workers.ranges(target.length, tasks(v), (from, to) -> {
            double[] logSums = new double[(int) (to - from)];
            logSumExps(x + from * stride, stride, v, logSums);
            for (int r = (int) from; r < to; r++) {
                long row = x + r * stride;
                double lse = logSums[r - (int) from];
                int t = target[r];
                double loss = 0;
                double weight = 0;
                if (t != op.ignoreIndex()) {
                    weight = weights == 0 ? 1 : OffHeap.getFloat(weights + 4L * t);
                    loss = (1 - s) * weight * (lse - OffHeap.getFloat(row + 4L * t));
                    if (s > 0) {
                        loss += s / v * deviations(row, (float) lse, weights, v);
                    }
                }
                OffHeap.setFloat(out[0].address() + 4L * r, (float) loss);
                OffHeap.setFloat(out[1].address() + 4L * r, (float) lse);
                OffHeap.setFloat(out[2].address() + 4L * r, (float) weight);
            }
        });
    }

    /** Of rows that lie {@code stride} bytes apart. */
    private static void logSumExps(long x, long stride, int n, double[] out) {
        if (!MachineCode.isUsed()) {
            float[] block = SoftmaxKernels.block(n);
            for (int r = 0; r < out.length; r++) {
                out[r] = logSumExp(x + r * stride, n, block);
            }
            GemmScratch.give(block);
            return;
        }
        long bytes = (long) out.length * SoftmaxCode.STATISTICS;
        long statistics = NativeScratch.take(bytes);
        SoftmaxMachine.statistics(x, stride, out.length, n, statistics);
        for (int r = 0; r < out.length; r++) {
            double max = OffHeap.getDouble(statistics + r * SoftmaxCode.STATISTICS);
            double sum = OffHeap.getDouble(statistics + r * SoftmaxCode.STATISTICS + 8);
            out[r] = max == Double.NEGATIVE_INFINITY ? Double.NaN : max + Math.log(sum);
        }
        NativeScratch.give(statistics, bytes);
    }

    private static double logSumExp(long x, int n, float[] block) {
        float max = Float.NEGATIVE_INFINITY;
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            int some = Math.min(BLOCK, n - i);
            float peak = RowKernels.peak(x + 4L * i, some);
            if (peak > max) {
                sum *= Math.exp((double) max - peak);
                max = peak;
            }
            // While there is nothing but -inf the sum stays 0, or becomes NaN.
            float shift = max == Float.NEGATIVE_INFINITY ? 0 : max;
            sum += SoftmaxKernels.sumOfExponentials(x + 4L * i, shift, some, block);
        }
        return max == Float.NEGATIVE_INFINITY ? Double.NaN : max + Math.log(sum);
    }

    /** Sum of w * (lse - x), where no weights are ones. */
    private static double deviations(long x, float lse, long weights, int n) {
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            int some = Math.min(BLOCK, n - i);
            sum += weights == 0
                    ? deviations(x + 4L * i, lse, some)
                    : weightedDeviations(x + 4L * i, lse, weights + 4L * i, some);
        }
        return sum;
    }

    private static float deviations(long x, float lse, int n) {
        FloatVector e = FloatVector.broadcast(F, lse);
        FloatVector sum = FloatVector.zero(F);
        int i = 0;
        for (; i <= n - L; i += L) {
            sum = sum.add(e.sub(load(x + 4L * i)));
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            sum = sum.add(e.sub(load(x + 4L * i, some)), some);
        }
        return Lanes.sum(sum);
    }

    private static float weightedDeviations(long x, float lse, long weights, int n) {
        FloatVector e = FloatVector.broadcast(F, lse);
        FloatVector sum = FloatVector.zero(F);
        int i = 0;
        for (; i <= n - L; i += L) {
            sum = e.sub(load(x + 4L * i)).fma(load(weights + 4L * i), sum);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            sum = sum.add(e.sub(load(x + 4L * i, some)).mul(load(weights + 4L * i, some)), some);
        }
        return Lanes.sum(sum);
    }

    /** With a = dLoss * ((1 - s) * w[t] + s / V * sum(w)) and b = dLoss * s / V: a * p - b * w, and less at the target. */
    private static void crossEntropyGrad(Loss.CrossEntropyGrad op, Tensor[] in, Tensor out) {
        int v = in[0].dim(1);
        int[] target = targets(op.name(), in[1], v, op.ignoreIndex());
        long x = in[0].address();
        long stride = 4 * in[0].stride(0);
        long weights = in[2] == null ? 0 : in[2].address();
        double s = op.smoothing();
        double allWeights = weights == 0 ? v : s > 0 ? RowKernels.sum(weights, v) : 0;
        Workers.ranges(target.length, tasks(v), (from, to) -> {
            int rows = (int) (to - from);
            float[] numbers = new float[3 * rows];
            double[] hits = new double[rows];
            for (int i = 0; i < rows; i++) {
                int r = (int) from + i;
                double dLoss = OffHeap.getFloat(in[4].address() + 4L * r);
                double hit = (1 - s)
                        * (weights == 0 || target[r] == op.ignoreIndex()
                                ? 1
                                : OffHeap.getFloat(weights + 4L * target[r]));
                numbers[3 * i] = OffHeap.getFloat(in[3].address() + 4L * r);
                numbers[3 * i + 1] = (float) (dLoss * (hit + s / v * allWeights));
                numbers[3 * i + 2] = (float) -(dLoss * s / v);
                hits[i] = dLoss * hit;
            }
            gradients(x + from * stride, stride, numbers, s == 0 ? 0 : weights, out.address() + 4 * from * v, v);
            for (int i = 0; i < rows; i++) {
                int t = target[(int) from + i];
                long dx = out.address() + 4 * (from + i) * v;
                if (t == op.ignoreIndex()) {
                    OffHeap.zero(dx, 4L * v);
                } else {
                    OffHeap.setFloat(dx + 4L * t, OffHeap.getFloat(dx + 4L * t) - (float) hits[i]);
                }
            }
        });
    }

    /** Rows of dx = a * exp(x - lse) + b * w, where no weights are ones; lse, a and b of each row are in {@code numbers}. */
    private static void gradients(long x, long stride, float[] numbers, long weights, long dx, int n) {
        int rows = numbers.length / 3;
        if (!MachineCode.isUsed()) {
            float[] block = SoftmaxKernels.block(n);
            for (int r = 0; r < rows; r++) {
                float a = numbers[3 * r + 1];
                float b = numbers[3 * r + 2];
                gradient(x + r * stride, numbers[3 * r], a, b, weights, dx + 4L * r * n, n, block);
            }
            GemmScratch.give(block);
            return;
        }
        long bytes = (1L + rows) * SoftmaxCode.NUMBERS;
        long at = NativeScratch.take(bytes);
        OffHeap.setLong(at, weights);
        for (int r = 0; r < rows; r++) {
            OffHeap.write(numbers, 3 * r, at + (1L + r) * SoftmaxCode.NUMBERS, 3);
        }
        NativeCall.call(RowCode.lossGradient(weights != 0), x, rows, n, stride, dx, at);
        NativeScratch.give(at, bytes);
    }

    /** dx = a * exp(x - lse) + b * w, where no weights are ones. */
    private static void gradient(long x, float lse, float a, float b, long weights, long dx, int n, float[] block) {
        for (int i = 0; i < n; i += BLOCK) {
            int some = Math.min(BLOCK, n - i);
            int padded = UnaryKernels.padded(some);
            OffHeap.read(x + 4L * i, block, 0, some);
            VectorMath.expSum(block, 0, padded, lse);
            if (weights == 0) {
                affine(block, a, b, padded);
            } else {
                weighted(block, a, b, weights + 4L * i, some);
            }
            OffHeap.write(block, 0, dx + 4L * i, some);
        }
    }

    /** p = a * p + b. */
    private static void affine(float[] p, float a, float b, int n) {
        FloatVector factor = FloatVector.broadcast(F, a);
        FloatVector summand = FloatVector.broadcast(F, b);
        for (int i = 0; i < n; i += L) {
            FloatVector.fromArray(F, p, i).fma(factor, summand).intoArray(p, i);
        }
    }

    /** p = a * p + b * w. */
    private static void weighted(float[] p, float a, float b, long weights, int n) {
        FloatVector factor = FloatVector.broadcast(F, a);
        for (int i = 0; i < n; i += L) {
            FloatVector w = load(weights + 4L * i, F.indexInRange(i, n)).mul(b);
            FloatVector.fromArray(F, p, i).fma(factor, w).intoArray(p, i);
        }
    }
}
