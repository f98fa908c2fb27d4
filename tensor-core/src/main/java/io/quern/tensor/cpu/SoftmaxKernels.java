package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.MachineCode;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Softmax over packed rows: the largest element, exponentials and their sum, division. A row is read three times, the
 * second and third time out of the cache. Where there is no {@link SoftmaxMachine machine code}, exponentials go through blocks on the heap, see {@link VectorMath}, and bound
 * it.
 */
final class SoftmaxKernels {
    /** Elements of a block: 8 KiB. */
    private static final int BLOCK = 2048;

    private SoftmaxKernels() {}

    static void softmax(Tensor in, boolean log, Tensor out) {
        if (MachineCode.isUsed()) {
            SoftmaxMachine.softmax(in, log, out);
            return;
        }
        int n = in.dim(-1);
        long x = in.address();
        long y = out.address();
        forRows(in, (from, to) -> {
            float[] block = block(n);
            for (long r = from; r < to; r++) {
                long row = 4 * r * n;
                if (log) {
                    logRow(x + row, y + row, n, block);
                } else {
                    row(x + row, y + row, n, block);
                }
            }
            GemmScratch.give(block);
        });
    }

    static void gradient(Tensor y, Tensor dy, boolean log, Tensor dx) {
        if (MachineCode.isUsed()) {
            SoftmaxMachine.gradient(y, dy, log, dx);
            return;
        }
        int n = y.dim(-1);
        forRows(y, (from, to) -> {
            float[] block = block(n);
            for (long r = from; r < to; r++) {
                long row = 4 * r * n;
                if (log) {
                    float sum = (float) RowKernels.sum(dy.address() + row, n);
                    logGradient(y.address() + row, dy.address() + row, sum, dx.address() + row, n, block);
                } else {
                    float sum = (float) RowKernels.dot(y.address() + row, dy.address() + row, n);
                    gradient(y.address() + row, dy.address() + row, sum, dx.address() + row, n);
                }
            }
            GemmScratch.give(block);
        });
    }

    /** Hands out the rows of a packed tensor in tasks of a useful size. */
    static void forRows(Tensor t, Workers.RangeTask task) {
        int n = t.dim(-1);
        if (t.size() > 0) {
            Workers.ranges(t.size() / n, Math.max(1, ElementwiseKernels.CHUNK / n), task);
        }
    }

    /** A block for rows of {@code n} elements, or longer; to be given back to {@link GemmScratch}. */
    static float[] block(int n) {
        return GemmScratch.take(UnaryKernels.padded(Math.min(n, BLOCK)));
    }

    private static void row(long x, long y, int n, float[] block) {
        float max = RowKernels.peak(x, n);
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            int some = Math.min(BLOCK, n - i);
            sum += exponentials(x + 4L * i, max, some, block);
            OffHeap.write(block, 0, y + 4L * i, some);
        }
        RowKernels.scale(y, (float) (1 / sum), y, n);
    }

    /** Sets the block to exp(x - max), and gives its sum. */
    private static float exponentials(long x, float max, int n, float[] block) {
        int padded = UnaryKernels.padded(n);
        OffHeap.read(x, block, 0, n);
        Arrays.fill(block, n, padded, Float.NEGATIVE_INFINITY);
        return VectorMath.expSum(block, 0, padded, max);
    }

    /** Sum of exp(x - max). */
    static double sumOfExponentials(long x, float max, int n, float[] block) {
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            sum += exponentials(x + 4L * i, max, Math.min(BLOCK, n - i), block);
        }
        return sum;
    }

    private static void logRow(long x, long y, int n, float[] block) {
        float max = RowKernels.peak(x, n);
        float log = (float) Math.log(sumOfExponentials(x, max, n, block));
        int i = 0;
        for (; i <= n - L; i += L) {
            load(x + 4L * i).sub(max).sub(log).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            load(x + 4L * i, some).sub(max).sub(log).intoMemorySegment(ALL, y + 4L * i, ORDER, some);
        }
    }

    /** dx = y * (dy - sum). */
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

    /** dx = dy - exp(y) * sum. */
    private static void logGradient(long y, long dy, float sum, long dx, int n, float[] block) {
        FloatVector minus = FloatVector.broadcast(F, -sum);
        for (int b = 0; b < n; b += BLOCK) {
            int some = Math.min(BLOCK, n - b);
            OffHeap.read(y + 4L * b, block, 0, some);
            VectorMath.exp(block, UnaryKernels.padded(some));
            for (int i = 0; i < some; i += L) {
                VectorMask<Float> inside = F.indexInRange(i, some);
                FloatVector v = FloatVector.fromArray(F, block, i).fma(minus, load(dy + 4L * (b + i), inside));
                v.intoMemorySegment(ALL, dx + 4L * (b + i), ORDER, inside);
            }
        }
    }
}
