package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise.UnaryKind;

/** Launches the kernels of {@code elementwise.cu} that apply a function after a bias. */
final class BiasLauncher {
    /** COLUMNS of {@code elementwise.cu}. */
    private static final int COLUMNS = 64;

    /** Rows of a stretch whose sum is a block's, and the most of them. */
    private static final long LEAST_ROWS = 64;

    private static final long STRETCHES = 64;

    private final CudaDevice device;
    private final CudaPool pool;

    BiasLauncher(CudaDevice device, CudaPool pool) {
        this.device = device;
        this.pool = pool;
    }

    void forward(UnaryKind kind, Tensor x, Tensor bias, Tensor y) {
        if (x.size() == 0) {
            return;
        }
        long c = x.dim(-1);
        long rows = x.size() / c;
        device.launch(Kernels.named("bias_unary", x.dtype()))
                .i32(kind.ordinal())
                .i64(x.address())
                .i64(bias.address())
                .i64(y.address())
                .i64(rows)
                .i64(c)
                .run(Kernels.rows(rows), 1, 1, Kernels.THREADS);
    }

    /** How the rows are cut depends on their number alone, and so does the order of the sums. */
    void backward(UnaryKind kind, Tensor x, Tensor bias, Tensor dy, Tensor dx, Tensor dBias) {
        long c = bias.size();
        if (c == 0) {
            return;
        }
        long rows = x.size() / c;
        long stretch = Math.max(LEAST_ROWS, (rows + STRETCHES - 1) / STRETCHES);
        long stretches = (rows + stretch - 1) / stretch;
        long bytes =
                CudaPool.sizeClass(Math.max(1, stretches) * c * (x.dtype() == DType.F64 ? Double.BYTES : Float.BYTES));
        long sums = pool.take(bytes);
        device.launch(Kernels.named("bias_unary_grad", x.dtype()))
                .i32(kind.ordinal())
                .i64(x.address())
                .i64(bias.address())
                .i64(dy.address())
                .i64(dx.address())
                .i64(sums)
                .i64(rows)
                .i64(c)
                .i64(stretch)
                .run((c + COLUMNS - 1) / COLUMNS, stretches, 1, Kernels.THREADS);
        device.launch(Kernels.named("column_totals", x.dtype()))
                .i64(sums)
                .i64(dBias.address())
                .i64(stretches)
                .i64(c)
                .run(Kernels.blocks(c), 1, 1, Kernels.THREADS);
        pool.giveBack(sums, bytes);
    }
}
