package io.quern.tensor.cpu;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.Arrays;

/** Twin of {@link io.quern.tensor.op.MatMul}. */
final class ScalarMatMul {
    private ScalarMatMul() {}

    /** a [..., M, K] times b [..., K, N] plus bias [N], which may be null. */
    static void run(Tensor ta, Tensor tb, Tensor tbias, Tensor out) {
        double[] a = ScalarMemory.read(ta);
        double[] b = ScalarMemory.read(tb);
        double[] bias = ScalarMemory.readOrNull(tbias);
        int m = ta.dim(-2);
        int k = ta.dim(-1);
        int n = tb.dim(-1);
        int[] batchA = ScalarMemory.broadcastIndex(outer(ta), outer(out));
        int[] batchB = ScalarMemory.broadcastIndex(outer(tb), outer(out));
        double[] c = new double[Math.toIntExact(out.size())];
        for (int batch = 0; batch < batchA.length; batch++) {
            int aAt = batchA[batch] * m * k;
            int bAt = batchB[batch] * k * n;
            int cAt = batch * m * n;
            for (int i = 0; i < m; i++) {
                addRow(a, aAt + i * k, b, bAt, k, n, c, cAt + i * n);
                for (int j = 0; bias != null && j < n; j++) {
                    c[cAt + i * n + j] += bias[j];
                }
            }
        }
        ScalarMemory.write(c, out);
    }

    /** c += a [K] times b [K, N]; the innermost loop runs along rows, which C2 turns into vector code. */
    private static void addRow(double[] a, int aAt, double[] b, int bAt, int k, int n, double[] c, int cAt) {
        for (int p = 0; p < k; p++) {
            double x = a[aAt + p];
            int row = bAt + p * n;
            for (int j = 0; j < n; j++) {
                c[cAt + j] += x * b[row + j];
            }
        }
    }

    private static Shape outer(Tensor t) {
        return Shape.of(Arrays.copyOf(t.shape().dims(), t.shape().rank() - 2));
    }
}
