package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Windows;

/**
 * Pooling, plane by plane on heap arrays: scalar loops over segments are slow, and a plane that is copied in and out
 * costs little beside its windows.
 */
final class PoolKernels {
    /** Elements of a task. */
    private static final int CHUNK = 1 << 15;

    private PoolKernels() {}

    /** One plane of {@code from} elements to one of {@code to}. */
    private interface PlaneTask {
        void run(float[] from, float[] to, int[] indices);
    }

    static void run(Pool op, Tensor[] in, Tensor[] out) {
        Grid g = new Grid(op.rows(), op.columns());
        switch (op) {
            case Pool.Max m -> planes(in[0], out[0], null, out[1], (x, y, at) -> max(g, x, y, at));
            case Pool.MaxGrad m -> planes(in[0], out[0], in[1], null, PoolKernels::maxGrad);
            case Pool.Average a -> planes(in[0], out[0], null, null, (x, y, at) -> average(g, x, y));
            case Pool.AverageGrad a -> planes(in[0], out[0], null, null, (dy, dx, at) -> averageGrad(g, dy, dx));
        }
    }

    private static void planes(Tensor in, Tensor out, Tensor indicesIn, Tensor indicesOut, PlaneTask task) {
        int from = Math.multiplyExact(in.dim(2), in.dim(3));
        int to = Math.multiplyExact(out.dim(2), out.dim(3));
        long count = (long) in.dim(0) * in.dim(1);
        Workers.ranges(count, Math.max(1, CHUNK / Math.max(1, Math.max(from, to))), (first, end) -> {
            float[] a = new float[from];
            float[] b = new float[to];
            int[] indices = new int[indicesIn == null ? to : from];
            for (long p = first; p < end; p++) {
                OffHeap.read(in.address() + 4 * p * from, a, 0, from);
                if (indicesIn != null) {
                    OffHeap.read(indicesIn.address() + 4 * p * from, indices, 0, from);
                }
                task.run(a, b, indices);
                OffHeap.write(b, 0, out.address() + 4 * p * to, to);
                if (indicesOut != null) {
                    OffHeap.write(indices, 0, indicesOut.address() + 4 * p * to, to);
                }
            }
        });
    }

    /** The windows as arrays, so that the loops call nothing. */
    private static final class Grid {
        final int width;
        final int[] top;
        final int[] bottom;
        final int[] left;
        final int[] right;
        final float[] rowDivisor;
        final float[] columnDivisor;

        Grid(Windows rows, Windows columns) {
            width = columns.size();
            top = new int[rows.count()];
            bottom = new int[rows.count()];
            rowDivisor = new float[rows.count()];
            for (int i = 0; i < top.length; i++) {
                top[i] = rows.start(i);
                bottom[i] = rows.end(i);
                rowDivisor[i] = rows.divisor(i);
            }
            left = new int[columns.count()];
            right = new int[columns.count()];
            columnDivisor = new float[columns.count()];
            for (int j = 0; j < left.length; j++) {
                left[j] = columns.start(j);
                right[j] = columns.end(j);
                columnDivisor[j] = columns.divisor(j);
            }
        }
    }

    private static void max(Grid g, float[] x, float[] y, int[] at) {
        int n = 0;
        for (int i = 0; i < g.top.length; i++) {
            for (int j = 0; j < g.left.length; j++) {
                int best = g.top[i] * g.width + g.left[j];
                float largest = x[best];
                for (int r = g.top[i]; r < g.bottom[i]; r++) {
                    for (int k = r * g.width + g.left[j]; k < r * g.width + g.right[j]; k++) {
                        float v = x[k];
                        if (v > largest || v != v) {
                            largest = v;
                            best = k;
                        }
                    }
                }
                y[n] = largest;
                at[n++] = best;
            }
        }
    }

    private static void maxGrad(float[] dy, float[] dx, int[] at) {
        java.util.Arrays.fill(dx, 0);
        for (int i = 0; i < dy.length; i++) {
            dx[ScalarPool.checked(at[i], dx.length)] += dy[i];
        }
    }

    private static void average(Grid g, float[] x, float[] y) {
        int n = 0;
        for (int i = 0; i < g.top.length; i++) {
            for (int j = 0; j < g.left.length; j++) {
                float sum = 0;
                for (int r = g.top[i]; r < g.bottom[i]; r++) {
                    for (int k = r * g.width + g.left[j]; k < r * g.width + g.right[j]; k++) {
                        sum += x[k];
                    }
                }
                y[n++] = sum / (g.rowDivisor[i] * g.columnDivisor[j]);
            }
        }
    }

    private static void averageGrad(Grid g, float[] dy, float[] dx) {
        java.util.Arrays.fill(dx, 0);
        int n = 0;
        for (int i = 0; i < g.top.length; i++) {
            for (int j = 0; j < g.left.length; j++) {
                float share = dy[n++] / (g.rowDivisor[i] * g.columnDivisor[j]);
                for (int r = g.top[i]; r < g.bottom[i]; r++) {
                    for (int k = r * g.width + g.left[j]; k < r * g.width + g.right[j]; k++) {
                        dx[k] += share;
                    }
                }
            }
        }
    }
}
