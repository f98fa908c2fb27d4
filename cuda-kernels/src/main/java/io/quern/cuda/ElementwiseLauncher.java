package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.Launch;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise;

/** Launches the kernels of {@code elementwise.cu}. */
final class ElementwiseLauncher {
    private final CudaDevice device;

    ElementwiseLauncher(CudaDevice device) {
        this.device = device;
    }

    void run(Elementwise op, Tensor[] in, Tensor y) {
        long n = y.size();
        Launch launch = switch (op) {
            case Elementwise.Unary u ->
                start("unary", y).i32(u.kind().ordinal()).i64(in[0].address()).i64(y.address());
            case Elementwise.UnaryGrad u ->
                start("unary_grad", y)
                        .i32(u.kind().ordinal())
                        .i64(in[0].address())
                        .i64(in[1].address())
                        .i64(y.address());
            case Elementwise.Binary b -> pair(start("binary", y).i32(b.kind().ordinal()), in, y);
            case Elementwise.Compare c ->
                pair(start("compare", in[0]).i32(c.kind().ordinal()), in, y);
            case Elementwise.Affine a ->
                start("affine", y)
                        .i64(in[0].address())
                        .i64(y.address())
                        .f64(a.scale())
                        .f64(a.shift());
            case Elementwise.Where w ->
                device.launch(Kernels.sized("where", y.dtype()))
                        .struct(Walk.broadcast(y.shape(), in))
                        .i64(in[0].address())
                        .i64(in[1].address())
                        .i64(in[2].address())
                        .i64(y.address());
            case Elementwise.Cast c ->
                device.launch(Kernels.named("cast_" + Kernels.suffix(in[0].dtype()), y.dtype()))
                        .i64(in[0].address())
                        .i64(y.address());
            case Elementwise.Dropout d ->
                start("dropout", y)
                        .i64(in[0].address())
                        .i64(y.address())
                        .f64(d.p())
                        .i64(d.seed())
                        .i64(d.stream());
        };
        launch.i64(n);
        if (op instanceof Elementwise.Binary && y.dtype() == DType.I32) {
            launch.i64(device.faultAddress());
        }
        launch.run(Kernels.blocks(n), 1, 1, Kernels.THREADS);
    }

    private Launch start(String kernel, Tensor like) {
        return device.launch(Kernels.named(kernel, like.dtype()));
    }

    private static Launch pair(Launch launch, Tensor[] in, Tensor y) {
        return launch.struct(Walk.broadcast(y.shape(), in))
                .i64(in[0].address())
                .i64(in[1].address())
                .i64(y.address());
    }
}
