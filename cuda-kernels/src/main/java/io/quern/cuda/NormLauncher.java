package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Norm;

/** Launches the kernels of {@code norm.cu}; RMS norm is layer norm without a mean, and a sum before either is optional. */
final class NormLauncher {
    /** COLUMNS of {@code norm.cu}. */
    private static final int COLUMNS = 32;

    private final CudaDevice device;
    private final CudaPool pool;

    NormLauncher(CudaDevice device, CudaPool pool) {
        this.device = device;
        this.pool = pool;
    }

    void run(Norm op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Norm.LayerNorm n -> forward(in[0], null, in[1], in[2], out[0], null, out[1], out[2], n.eps());
            case Norm.AddLayerNorm n -> forward(in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3], n.eps());
            case Norm.RmsNorm n -> forward(in[0], null, in[1], null, out[0], null, null, out[1], n.eps());
            case Norm.AddRmsNorm n -> forward(in[0], in[1], in[2], null, out[0], out[1], null, out[2], n.eps());
            case Norm.LayerNormGrad n -> gradient(in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1], out[2]);
            case Norm.RmsNormGrad n -> gradient(in[0], in[1], null, in[2], in[3], in[4], out[0], out[1], null);
        }
    }

    private void forward(
            Tensor x,
            Tensor added,
            Tensor weight,
            Tensor bias,
            Tensor y,
            Tensor sum,
            Tensor mean,
            Tensor rstd,
            double eps) {
        long c = x.dim(-1);
        long rows = x.size() / c;
        device.launch(Kernels.named("norm", x.dtype()))
                .i64(x.address())
                .i64(Kernels.address(added))
                .i64(Kernels.address(weight))
                .i64(Kernels.address(bias))
                .i64(y.address())
                .i64(Kernels.address(sum))
                .i64(Kernels.address(mean))
                .i64(rstd.address())
                .i64(rows)
                .i64(c)
                .f64(eps)
                .run(Kernels.rows(rows), 1, 1, Kernels.REDUCING);
    }

    private void gradient(
            Tensor x,
            Tensor weight,
            Tensor mean,
            Tensor rstd,
            Tensor dy,
            Tensor other,
            Tensor dx,
            Tensor dWeight,
            Tensor dBias) {
        long c = x.dim(-1);
        long rows = x.size() / c;
        device.launch(Kernels.named("norm_grad", x.dtype()))
                .i64(x.address())
                .i64(Kernels.address(weight))
                .i64(Kernels.address(mean))
                .i64(rstd.address())
                .i64(dy.address())
                .i64(Kernels.address(other))
                .i64(dx.address())
                .i64(rows)
                .i64(c)
                .run(Kernels.rows(rows), 1, 1, Kernels.REDUCING);
        Stretches stretches = Stretches.of(rows);
        long bytes = stretches.count() * c * Kernels.sumBytes(x.dtype());
        try (CudaPool.Scratch sums = pool.scratch(dBias == null ? bytes : 2 * bytes)) {
            device.launch(Kernels.named("norm_grad_params", x.dtype()))
                    .i64(x.address())
                    .i64(Kernels.address(mean))
                    .i64(rstd.address())
                    .i64(dy.address())
                    .i64(sums.address())
                    .i64(dBias == null ? 0 : sums.address() + bytes)
                    .i64(rows)
                    .i64(c)
                    .i64(stretches.rows())
                    .run((c + COLUMNS - 1) / COLUMNS, stretches.count(), 1, Kernels.REDUCING);
            stretches.total(device, sums.address(), dWeight);
            if (dBias != null) {
                stretches.total(device, sums.address() + bytes, dBias);
            }
        }
    }
}
