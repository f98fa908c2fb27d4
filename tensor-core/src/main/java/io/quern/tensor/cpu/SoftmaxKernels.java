package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Softmax over packed rows: the largest element, exponentials and their sum, division. A row is read three times, the
 * second and third time out of the cache; bound by the exponential, some 15 instructions a vector.
 */
final class SoftmaxKernels {
    private static final int BLOCK = 4096;

    private SoftmaxKernels() {}

    static void softmax(Tensor in, boolean log, Tensor out) {
        int n = in.dim(-1);
        long x = in.address();
        long y = out.address();
        forRows(in, (from, to) -> {
            for (long r = from; r < to; r++) {
                long row = 4 * r * n;
                if (log) {
                    logRow(x + row, y + row, n);
                } else {
                    row(x + row, y + row, n);
                }
            }
        });
    }

    static void gradient(Tensor y, Tensor dy, boolean log, Tensor dx) {
        int n = y.dim(-1);
        forRows(y, (from, to) -> {
            for (long r = from; r < to; r++) {
                long row = 4 * r * n;
                if (log) {
                    float sum = (float) RowKernels.sum(dy.address() + row, n);
                    logGradient(y.address() + row, dy.address() + row, sum, dx.address() + row, n);
                } else {
                    float sum = (float) RowKernels.dot(y.address() + row, dy.address() + row, n);
                    gradient(y.address() + row, dy.address() + row, sum, dx.address() + row, n);
                }
            }
        });
    }

    /** Hands out the rows of a packed tensor in tasks of a useful size. */
    static void forRows(Tensor t, Workers.RangeTask task) {
        int n = t.dim(-1);
        if (t.size() > 0) {
            Workers.ranges(t.size() / n, Math.max(1, ElementwiseKernels.CHUNK / n), task);
        }
    }

    private static void row(long x, long y, int n) {
        float max = RowKernels.peak(x, n);
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            sum += exponentials(x + 4L * i, max, y + 4L * i, Math.min(BLOCK, n - i));
        }
        RowKernels.scale(y, (float) (1 / sum), y, n);
    }

    private static void logRow(long x, long y, int n) {
        float max = RowKernels.peak(x, n);
        float log = (float) Math.log(sumOfExponentials(x, max, n));
        int i = 0;
        for (; i <= n - L; i += L) {
            load(x + 4L * i).sub(max).sub(log).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            load(x + 4L * i, some).sub(max).sub(log).intoMemorySegment(ALL, y + 4L * i, ORDER, some);
        }
    }

    /** y = exp(x - max), and the sum of that. */
    private static float exponentials(long x, float max, long y, int n) {
        FloatVector m = FloatVector.broadcast(F, max);
        FloatVector sum = FloatVector.zero(F);
        int i = 0;
        for (; i <= n - L; i += L) {
            FloatVector e = VectorMath.expBounded(load(x + 4L * i).sub(m));
            e.intoMemorySegment(ALL, y + 4L * i, ORDER);
            sum = sum.add(e);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            FloatVector e = VectorMath.expBounded(load(x + 4L * i, some).sub(m));
            e.intoMemorySegment(ALL, y + 4L * i, ORDER, some);
            sum = sum.add(e, some);
        }
        return Lanes.sum(sum);
    }

    /** Sum of exp(x - max). */
    static double sumOfExponentials(long x, float max, int n) {
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            sum += sumOfExponentialsBlock(x + 4L * i, max, Math.min(BLOCK, n - i));
        }
        return sum;
    }

    private static float sumOfExponentialsBlock(long x, float max, int n) {
        FloatVector m = FloatVector.broadcast(F, max);
        FloatVector sum = FloatVector.zero(F);
        int i = 0;
        for (; i <= n - L; i += L) {
            sum = sum.add(VectorMath.expBounded(load(x + 4L * i).sub(m)));
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            sum = sum.add(VectorMath.expBounded(load(x + 4L * i, some).sub(m)), some);
        }
        return Lanes.sum(sum);
    }

    private static void gradient(long y, long dy, float sum, long dx, int n) {
        int i = 0;
        for (; i <= n - L; i += L) {
            load(dy + 4L * i).sub(sum).mul(load(y + 4L * i)).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            FloatVector v = load(dy + 4L * i, some).sub(sum).mul(load(y + 4L * i, some));
            v.intoMemorySegment(ALL, dx + 4L * i, ORDER, some);
        }
    }

    private static void logGradient(long y, long dy, float sum, long dx, int n) {
        FloatVector minus = FloatVector.broadcast(F, -sum);
        int i = 0;
        for (; i <= n - L; i += L) {
            FloatVector p = VectorMath.exp(load(y + 4L * i));
            p.fma(minus, load(dy + 4L * i)).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            FloatVector p = VectorMath.exp(load(y + 4L * i, some));
            p.fma(minus, load(dy + 4L * i, some)).intoMemorySegment(ALL, dx + 4L * i, ORDER, some);
        }
    }
}
