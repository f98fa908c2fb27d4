package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.Tensor;

/**
 * How many rows are summed in stretches, so that enough blocks read them: each stretch by blocks of its own, then their sums.
 * It depends on the number of rows alone, and so does the order of the sums.
 *
 * @param rows of a stretch but the last
 */
record Stretches(long rows, long count) {
    private static final long LEAST_ROWS = 64;
    private static final long MOST = 64;

    static Stretches of(long rows) {
        long each = Math.max(LEAST_ROWS, (rows + MOST - 1) / MOST);
        return new Stretches(each, (rows + each - 1) / each);
    }

    /** Adds the sums [count, y.size()] of the stretches at an address; zeros if there are none. */
    void total(CudaDevice device, long sums, Tensor y) {
        device.launch(Kernels.named("column_totals", y.dtype()))
                .i64(sums)
                .i64(y.address())
                .i64(count)
                .i64(y.size())
                .run(Kernels.blocks(y.size()), 1, 1, Kernels.THREADS);
    }
}
