package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise.UnaryKind;

/** Launches the kernels of {@code elementwise.cu} that apply a function after a bias. */
final class BiasLauncher {
    /** COLUMNS of {@code elementwise.cu}. */
    private static final int COLUMNS = 64;

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

    void backward(UnaryKind kind, Tensor x, Tensor bias, Tensor dy, Tensor dx, Tensor dBias) {
        long c = bias.size();
        if (c == 0) {
            return;
        }
        long rows = x.size() / c;
        Stretches stretches = Stretches.of(rows);
        try (CudaPool.Scratch sums = pool.scratch(stretches.count() * c * Kernels.sumBytes(x.dtype()))) {
            device.launch(Kernels.named("bias_unary_grad", x.dtype()))
                    .i32(kind.ordinal())
                    .i64(x.address())
                    .i64(bias.address())
                    .i64(dy.address())
                    .i64(dx.address())
                    .i64(sums.address())
                    .i64(rows)
                    .i64(c)
                    .i64(stretches.rows())
                    .run((c + COLUMNS - 1) / COLUMNS, stretches.count(), 1, Kernels.THREADS);
            stretches.total(device, sums.address(), dBias);
        }
    }
}
