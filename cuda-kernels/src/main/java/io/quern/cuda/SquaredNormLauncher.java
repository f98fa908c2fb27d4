package io.quern.cuda;

import io.quern.cuda.driver.BlockSizes;
import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import java.util.List;
import java.util.Map;

/** Launches the kernels of {@code update.cu} that sum squares. */
final class SquaredNormLauncher {
    /** The blocks of {@link Kernels#REDUCING} threads that a large card runs at once, so that each has as much to do. */
    private static final long BLOCKS = 2048;

    private final CudaDevice device;
    private final CudaPool pool;

    SquaredNormLauncher(CudaDevice device, CudaPool pool) {
        this.device = device;
        this.pool = pool;
    }

    /** y = the sum of the squares of all elements. */
    void run(Tensor[] in, Tensor y) {
        List<Tensor> all = List.of(in);
        Map<DType, List<TensorTable>> tables =
                TensorTable.of(all, null, i -> new long[] {all.get(i).address()});
        long parts = tables.values().stream()
                .flatMap(List::stream)
                .mapToLong(SquaredNormLauncher::blocks)
                .sum();
        try (CudaPool.Scratch partial = pool.scratch(8 * parts)) {
            long at = partial.address();
            for (Map.Entry<DType, List<TensorTable>> same : tables.entrySet()) {
                for (TensorTable table : same.getValue()) {
                    device.launch(Kernels.named("squares", same.getKey()))
                            .struct(table.members())
                            .i64(at)
                            .run(blocks(table), 1, 1, Kernels.REDUCING);
                    at += 8 * blocks(table);
                }
            }
            device.launch("squares_total")
                    .i64(partial.address())
                    .i64(parts)
                    .i64(y.address())
                    .run(1, 1, 1, Kernels.REDUCING);
        }
    }

    private static long blocks(TensorTable table) {
        return Math.min(table.chunks(), Math.min(BLOCKS, BlockSizes.MOST_BLOCKS));
    }
}
