package io.quern.cuda;

import io.quern.cuda.driver.Cublas;
import io.quern.cuda.driver.Cublas.Operand;
import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.Arrays;
import java.util.Locale;

/**
 * Matrix products, by cuBLAS or by {@code matmul.cu}. The system property {@code quern.cuda.gemm} chooses: {@code cublas},
 * {@code own}, or {@code auto}, which takes cuBLAS where it is there and takes the operands.
 */
final class MatMulLauncher {
    /** TILE of {@code matmul.cu}. */
    private static final int TILE = 64;

    private static final int MOST_BATCHES = 65535;

    /** What does a product. */
    enum Choice {
        AUTO,
        CUBLAS,
        OWN
    }

    private final CudaDevice device;
    private Choice choice;

    MatMulLauncher(CudaDevice device) {
        this.device = device;
        this.choice = choice();
        if (choice == Choice.CUBLAS && device.cublas() == null) {
            throw new TensorException("quern.cuda.gemm=cublas, but cuBLAS was not found; say auto or own");
        }
    }

    private static Choice choice() {
        String wish = System.getProperty("quern.cuda.gemm", "auto");
        try {
            return Choice.valueOf(wish.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new TensorException("quern.cuda.gemm is auto, cublas or own, not '" + wish + "'", e);
        }
    }

    /** Chooses anew, for tests of both ways. */
    void choose(Choice wish) {
        choice = wish;
    }

    boolean hasCublas() {
        return device.cublas() != null;
    }

    String description() {
        return choice == Choice.OWN || device.cublas() == null ? "own kernels" : "cuBLAS, own kernels where it cannot";
    }

    /** A product of matrices in a batch of {@code batch}, whose outer dimensions are {@code outer}. */
    private record Problem(long m, long n, long k, long batch, int[] outer, long[] aOuter, long[] bOuter) {}

    void run(Tensor a, Tensor b, Tensor bias, Tensor c) {
        if (c.size() == 0) {
            return;
        }
        Problem p = problem(a, b, c);
        if (p.batch > MOST_BATCHES) {
            throw new TensorException("CUDA multiplies at most " + MOST_BATCHES + " matrices at once, not " + p.batch);
        }
        Cublas cublas = choice == Choice.OWN ? null : device.cublas();
        if (cublas == null || !byCublas(cublas, p, a, b, bias, c)) {
            own(p, a, b, bias, c);
        }
    }

    /** A batch that shares b and whose rows follow one another is one tall matrix. */
    private static Problem problem(Tensor a, Tensor b, Tensor c) {
        long k = a.dim(-1);
        long n = b.dim(-1);
        if (a.isPacked() && b.shape().rank() == 2) {
            return new Problem(c.size() / n, n, k, 1, new int[0], new long[0], new long[0]);
        }
        int[] outer = Arrays.copyOf(c.shape().dims(), c.shape().rank() - 2);
        long batch = Shape.of(outer).size();
        return new Problem(a.dim(-2), n, k, batch, outer, outerStrides(a, outer), outerStrides(b, outer));
    }

    private static long[] outerStrides(Tensor t, int[] outer) {
        long[] s = new long[outer.length];
        int extra = outer.length - (t.shape().rank() - 2);
        for (int d = extra; d < s.length; d++) {
            s[d] = t.dim(d - extra) == 1 ? 0 : t.strides()[d - extra];
        }
        return s;
    }

    private void own(Problem p, Tensor a, Tensor b, Tensor bias, Tensor c) {
        boolean tall = p.outer.length == 0;
        String kernel = Kernels.named("matmul", a.dtype());
        if (a.dtype() != b.dtype()) {
            if (a.dtype() != DType.F32 || b.dtype().isQuantized()) {
                throw new TensorException("CUDA has no kernel for " + a.describe() + " times " + b.describe()
                        + "; cast the weight to " + a.dtype() + ", or use --device cpu");
            }
            kernel += "_" + Kernels.suffix(b.dtype());
        }
        device.launch(kernel)
                .struct(
                        p.m,
                        p.n,
                        p.k,
                        tall && a.shape().rank() != 2 ? p.k : a.stride(-2),
                        a.stride(-1),
                        b.stride(-2),
                        b.stride(-1))
                .struct(Walk.over(p.outer, p.aOuter, p.bOuter))
                .i64(a.address())
                .i64(b.address())
                .i64(Kernels.address(bias))
                .i64(c.address())
                .run((p.n + TILE - 1) / TILE, (p.m + TILE - 1) / TILE, p.batch, Kernels.THREADS);
    }

    /** cuBLAS counts columns first, so it computes the transpose of c as that of b times that of a. */
    private boolean byCublas(Cublas cublas, Problem p, Tensor a, Tensor b, Tensor bias, Tensor c) {
        if (a.dtype() != b.dtype() || p.k == 0 || Math.max(p.m, Math.max(p.n, p.k)) > Integer.MAX_VALUE) {
            return false;
        }
        long aBatch = batchStride(p.outer, p.aOuter);
        long bBatch = batchStride(p.outer, p.bOuter);
        Operand left = operand(b, p.k, p.n, b.stride(-2), bBatch);
        Operand right = operand(a, p.m, p.k, p.outer.length == 0 && a.shape().rank() != 2 ? p.k : a.stride(-2), aBatch);
        if (aBatch < 0 || bBatch < 0 || left == null || right == null) {
            return false;
        }
        if (bias != null) {
            // Added before the result is rounded to its dtype, so it must be there before.
            device.launch(Kernels.sized("copy", c.dtype()))
                    .struct(Walk.over(
                            new int[] {Math.toIntExact(c.size() / p.n), (int) p.n},
                            new long[] {p.n, 1},
                            new long[] {0, 1}))
                    .i64(c.address())
                    .i64(bias.address())
                    .i64(c.size())
                    .run(Kernels.blocks(c.size()), 1, 1, Kernels.THREADS);
        }
        cublas.gemm(new Cublas.Call(
                a.dtype(), (int) p.n, (int) p.m, (int) p.k, left, right, c.address(), (int) p.batch, bias != null));
        return true;
    }

    /** The distance of one matrix of a batch to the next, or -1 if it is not always the same. */
    private static long batchStride(int[] outer, long[] strides) {
        long stride = 0;
        long covered = 1;
        boolean started = false;
        for (int d = outer.length - 1; d >= 0; d--) {
            if (outer[d] == 1) {
                continue;
            }
            if (!started) {
                stride = strides[d];
                started = true;
            } else if (strides[d] != stride * covered) {
                return -1;
            }
            covered *= outer[d];
        }
        return stride;
    }

    /** A row-major matrix is, column by column, its transpose without any more transposing. */
    private static Operand operand(Tensor t, long rows, long cols, long rowStride, long batchStride) {
        long colStride = t.stride(-1);
        if ((cols == 1 || colStride == 1) && (rows == 1 || rowStride >= cols)) {
            return leading(t, false, rows == 1 ? cols : rowStride, batchStride);
        }
        if ((rows == 1 || rowStride == 1) && (cols == 1 || colStride >= rows)) {
            return leading(t, true, cols == 1 ? rows : colStride, batchStride);
        }
        return null;
    }

    private static Operand leading(Tensor t, boolean transposed, long leading, long batchStride) {
        return leading > Integer.MAX_VALUE ? null : new Operand(t.address(), transposed, leading, batchStride);
    }
}
