package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Windows;

/** Twins of {@link Pool}. */
final class ScalarPool {
    private ScalarPool() {}

    static void run(Pool op, Tensor[] in, Tensor[] out) {
        double[] a = ScalarMemory.read(in[0]);
        double[] result = new double[Math.toIntExact(out[0].size())];
        Windows rows = op.rows();
        Windows columns = op.columns();
        int width = columns.size();
        int plane = rows.size() * width;
        int pooled = rows.count() * columns.count();
        int[] indices = op instanceof Pool.MaxGrad ? ScalarMemory.readInts(in[1]) : null;
        double[] where = op instanceof Pool.Max ? new double[result.length] : null;
        int planes = (int) (in[0].dim(0) * (long) in[0].dim(1));
        for (int y = 0; y < planes * pooled; y++) {
            int base = y / pooled * plane;
            int i = y % pooled / columns.count();
            int j = y % columns.count();
            int top = rows.start(i);
            int left = columns.start(j);
            if (op instanceof Pool.MaxGrad) {
                result[base + checked(indices[y], plane)] += a[y];
                continue;
            }
            double divisor = (double) rows.divisor(i) * columns.divisor(j);
            int best = top * width + left;
            for (int r = top; r < rows.end(i); r++) {
                for (int c = left; c < columns.end(j); c++) {
                    int x = base + r * width + c;
                    switch (op) {
                        case Pool.Max m -> {
                            if (a[x] > a[base + best] || Double.isNaN(a[x])) {
                                best = x - base;
                            }
                        }
                        case Pool.Average p -> result[y] += a[x] / divisor;
                        case Pool.AverageGrad p -> result[x] += a[y] / divisor;
                        case Pool.MaxGrad p -> throw new IllegalStateException(p.name());
                    }
                }
            }
            if (where != null) {
                result[y] = a[base + best];
                where[y] = best;
            }
        }
        ScalarMemory.write(result, out[0]);
        if (where != null) {
            ScalarMemory.write(where, out[1]);
        }
    }

    static int checked(int index, int plane) {
        if (index < 0 || index >= plane) {
            throw new TensorException("max_pool2d_grad: index " + index + " is outside a plane of " + plane);
        }
        return index;
    }
}
