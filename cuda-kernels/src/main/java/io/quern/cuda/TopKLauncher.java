package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;

/** Launches the kernels of {@code topk.cu}, round by round. */
final class TopKLauncher {
    /** PART, THREADS of {@code topk.cu}. */
    private static final int PART = 2048;

    private static final int THREADS = 512;

    /** With so many, two parts still pass on no more than one part. */
    private static final int MOST = PART / 2;

    private final CudaDevice device;
    private final CudaPool pool;

    TopKLauncher(CudaDevice device, CudaPool pool) {
        this.device = device;
        this.pool = pool;
    }

    /** Values and indices are [rows, k]. */
    void run(Tensor x, int k, Tensor values, Tensor indices) {
        if (k > MOST) {
            throw new TensorException("CUDA finds up to " + MOST + " of the largest numbers of a row, not " + k
                    + "; ask for fewer, or use --device cpu");
        }
        long n = x.dim(-1);
        long rows = values.size() / k;
        long from = 0;
        long fromBytes = 0;
        for (long count = n; rows > 0; ) {
            long parts = (count + PART - 1) / PART;
            long passed = (parts - 1) * k + Math.min(k, count - (parts - 1) * PART);
            long bytes = CudaPool.sizeClass(Integer.BYTES * rows * passed);
            long to = parts == 1 ? indices.address() : pool.take(bytes);
            device.launch(Kernels.named("topk", x.dtype()))
                    .i64(x.address())
                    .i64(from)
                    .i64(rows)
                    .i64(n)
                    .i64(count)
                    .i32(k)
                    .i64(parts == 1 ? values.address() : 0)
                    .i64(to)
                    .run(Kernels.rows(rows * parts), 1, 1, THREADS);
            if (from != 0) {
                pool.giveBack(from, fromBytes);
            }
            if (parts == 1) {
                return;
            }
            from = to;
            fromBytes = bytes;
            count = passed;
        }
    }
}
