package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.Launch;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise;

/** Launches the kernels of {@code elementwise.cu}. */
final class ElementwiseLauncher {
    private final CudaDevice device;
    private final CudaPool pool;
    private final Together together;
    private final BiasLauncher bias;

    ElementwiseLauncher(CudaDevice device, CudaPool pool, Together together) {
        this.device = device;
        this.pool = pool;
        this.together = together;
        this.bias = new BiasLauncher(device, pool);
    }

    void run(Elementwise op, Tensor[] in, Tensor[] out) {
        Tensor y = out[0];
        long n = y.size();
        switch (op) {
            case Elementwise.BiasUnary b -> bias.forward(b.kind(), in[0], in[1], y);
            case Elementwise.BiasUnaryGrad b -> bias.backward(b.kind(), in[0], in[1], in[2], y, out[1]);
            default -> alone(op, in, y, n);
        }
    }

    private void alone(Elementwise op, Tensor[] in, Tensor y, long n) {
        if (op instanceof Elementwise.Cast && in[0].dtype().isQuantized()) {
            fromBlocks(in[0], y);
            return;
        }
        if (op instanceof Elementwise.Cast && Together.casts(in[0].dtype(), y.dtype())) {
            together.cast(in[0], y);
            return;
        }
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
            case Elementwise.BiasUnary b -> throw new IllegalStateException(b.name());
            case Elementwise.BiasUnaryGrad b -> throw new IllegalStateException(b.name());
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
        launch.over(n);
    }

    /** Blocks become F32, and that any other dtype. */
    private void fromBlocks(Tensor x, Tensor y) {
        if (y.dtype().isQuantized()) {
            throw Kernels.unsupported(y.dtype());
        }
        long n = y.size();
        if (y.dtype() == DType.F32) {
            dequantize(x, y.address(), n);
            return;
        }
        try (CudaPool.Scratch floats = pool.scratch(Float.BYTES * n)) {
            dequantize(x, floats.address(), n);
            device.launch(Kernels.named("cast_f32", y.dtype()))
                    .i64(floats.address())
                    .i64(y.address())
                    .i64(n)
                    .over(n);
        }
    }

    private void dequantize(Tensor x, long floats, long n) {
        device.launch("dequantize_" + Kernels.blocks(x.dtype()))
                .i64(x.address())
                .i64(floats)
                .i64(n)
                .over(n / 8);
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
