package io.quern.cuda;

import io.quern.cuda.driver.BlockSizes;
import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;

/**
 * Launches the kernels of {@code many.cu}: casts, copies and sums that follow each other and do not depend on each other go
 * together. They are put off until something else is started, or one comes that reads or writes what another writes, or one that
 * needs another kernel. The caller holds the monitor of the device.
 */
final class Together {
    /** More than a table holds. */
    private static final int MOST = 256;

    private static final long NO_GROUP = 0;

    private final CudaDevice device;
    private final long[] readFrom = new long[MOST];
    private final long[] readTo = new long[MOST];
    private final long[] writtenFrom = new long[MOST];
    private final long[] writtenTo = new long[MOST];
    private final long[] groups = new long[MOST];
    private long group;
    private String kernel;
    private TensorTable table;
    private int count;

    Together(CudaDevice device) {
        this.device = device;
    }

    /** Whether casts between these are among the kernels. */
    static boolean casts(DType from, DType to) {
        return switch (from) {
            case F32 -> to == DType.BF16 || to == DType.F16 || to == DType.F64;
            case BF16, F16, F64 -> to == DType.F32;
            default -> false;
        };
    }

    /** y = x, rounded; both packed. */
    void cast(Tensor x, Tensor y) {
        if (y.size() == 0) {
            return;
        }
        join(
                Kernels.named("cast_many_" + Kernels.suffix(x.dtype()), y.dtype()),
                x.address(),
                x.dtype().bytes(x.size()),
                y.address(),
                y.dtype().bytes(y.size()),
                2,
                NO_GROUP);
        table.add(y.size(), 0, x.address(), y.address());
        putOff();
    }

    /** target += factor * source; both packed. */
    void accumulate(Tensor target, Tensor source, double factor) {
        if (target.size() == 0) {
            return;
        }
        long bytes = target.dtype().bytes(target.size());
        join(
                Kernels.named("accumulate_many", target.dtype()),
                source.address(),
                bytes,
                target.address(),
                bytes,
                2,
                NO_GROUP);
        table.add(target.size(), factor, source.address(), target.address());
        putOff();
    }

    /** Whether a copy is one of rows: of one dimension, or two of which the inner has its elements side by side. */
    static boolean isOfRows(long[] walk) {
        return walk[0] < 2 || walk[0] == 2 && stride(walk, 0, 1) == 1 && stride(walk, 1, 1) == 1;
    }

    private static long stride(long[] walk, int operand, int dimension) {
        return walk[1 + Walk.MAX_RANK * (1 + operand) + dimension];
    }

    /**
     * Copies between views.
     *
     * @param walk over the target, then the source, {@link #isOfRows}
     * @param n elements, 1 or more
     * @param ofGroup a {@link #newGroup}, or 0
     */
    void copy(DType dtype, long[] walk, long to, long from, long n, long ofGroup) {
        boolean one = walk[0] == 0 || walk[0] == 1 && stride(walk, 0, 0) == 1 && stride(walk, 1, 0) == 1;
        long columns = one ? n : walk[0] == 1 ? 1 : walk[2];
        long toStride = one ? n : stride(walk, 0, 0);
        long fromStride = one ? n : stride(walk, 1, 0);
        long rows = n / columns;
        int size = dtype.bytes();
        join(
                Kernels.sized("copy_many", dtype),
                from,
                size * ((rows - 1) * fromStride + columns),
                to,
                size * ((rows - 1) * toStride + columns),
                5,
                ofGroup);
        table.add(n, 0, from, to, columns, fromStride, toStride);
        putOff();
    }

    /** A number for copies that are known not to touch each other although their memory is interleaved. */
    long newGroup() {
        return ++group;
    }

    /** Makes room for a launch that reads and writes these bytes, after those that it depends on. */
    private void join(
            String name, long read, long readBytes, long written, long writtenBytes, int addresses, long ofGroup) {
        boolean fits = table != null && name.equals(kernel) && !table.isFull() && count < MOST;
        long readEnd = read + readBytes;
        long writtenEnd = written + writtenBytes;
        for (int i = 0; fits && i < count; i++) {
            boolean apart = writtenEnd <= writtenFrom[i] || written >= writtenTo[i];
            fits = (apart || ofGroup != NO_GROUP && ofGroup == groups[i])
                    && (writtenEnd <= readFrom[i] || written >= readTo[i])
                    && (readEnd <= writtenFrom[i] || read >= writtenTo[i]);
        }
        if (!fits) {
            start();
            kernel = name;
            table = new TensorTable(addresses);
        }
        groups[count] = ofGroup;
        readFrom[count] = read;
        readTo[count] = readEnd;
        writtenFrom[count] = written;
        writtenTo[count++] = writtenEnd;
    }

    private void putOff() {
        device.putOff(kernel, this::start);
    }

    private void start() {
        TensorTable all = table;
        if (all == null) {
            return;
        }
        table = null;
        count = 0;
        device.launch(kernel)
                .struct(all.members())
                .run(
                        Math.min(all.chunks(), BlockSizes.MOST_BLOCKS),
                        1,
                        1,
                        device.blockSizes().threads(kernel, all.elements()));
    }
}
