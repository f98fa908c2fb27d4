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
        if (values.size() > 0) {
            round(x, 0, x.dim(-1), k, values, indices);
        }
    }

    /** Finds the best of {@code count} candidates in each row, whose places are at {@code from}: 0 for the row itself. */
    private void round(Tensor x, long from, long count, int k, Tensor values, Tensor indices) {
        long rows = values.size() / k;
        long parts = (count + PART - 1) / PART;
        if (parts == 1) {
            launch(x, from, rows, count, k, values.address(), indices.address());
            return;
        }
        long passed = (parts - 1) * k + Math.min(k, count - (parts - 1) * PART);
        try (CudaPool.Scratch places = pool.scratch(Integer.BYTES * rows * passed)) {
            launch(x, from, rows, count, k, 0, places.address());
            round(x, places.address(), passed, k, values, indices);
        }
    }

    private void launch(Tensor x, long from, long rows, long count, int k, long values, long places) {
        long parts = (count + PART - 1) / PART;
        device.launch(Kernels.named("topk", x.dtype()))
                .i64(x.address())
                .i64(from)
                .i64(rows)
                .i64(x.dim(-1))
                .i64(count)
                .i32(k)
                .i64(values)
                .i64(places)
                .run(Kernels.rows(rows * parts), 1, 1, THREADS);
    }
}
