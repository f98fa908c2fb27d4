package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.Launch;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Windows;

/** Launches the kernels of {@code conv.cu}. */
final class ConvLauncher {
    private final CudaDevice device;

    ConvLauncher(CudaDevice device) {
        this.device = device;
    }

    void run(Conv op, Tensor[] in, Tensor out) {
        String kernel = switch (op) {
            case Conv.Forward f -> "conv";
            case Conv.InputGrad g -> "conv_input_grad";
            case Conv.WeightGrad g -> "conv_weight_grad";
        };
        Launch launch = device.launch(Kernels.named(kernel, out.dtype()))
                .struct(planes(op))
                .i64(in[0].address())
                .i64(in[1].address());
        if (op instanceof Conv.Forward) {
            launch.i64(Kernels.address(in[2]));
        }
        launch.i64(out.address()).over(out.size());
    }

    void run(Pool op, Tensor[] in, Tensor[] out) {
        String kernel = switch (op) {
            case Pool.Max m -> "max_pool";
            case Pool.MaxGrad m -> "max_pool_grad";
            case Pool.Average a -> "avg_pool";
            case Pool.AverageGrad a -> "avg_pool_grad";
        };
        Launch launch = device.launch(Kernels.named(kernel, out[0].dtype()))
                .struct(axis(op.rows()))
                .struct(axis(op.columns()));
        for (Tensor t : in) {
            launch.i64(t.address());
        }
        for (Tensor t : out) {
            launch.i64(t.address());
        }
        launch.i64(out[0].size()).over(out[0].size());
    }

    /** The {@code Planes} of {@code conv.cu}. */
    private static long[] planes(Conv op) {
        Shape x = op.x();
        Shape w = op.w();
        Shape y = op.y();
        Conv.Geometry g = op.geometry();
        return new long[] {
            x.dim(0),
            x.dim(1),
            x.dim(2),
            x.dim(3),
            y.dim(1),
            y.dim(2),
            y.dim(3),
            w.dim(2),
            w.dim(3),
            g.strideH(),
            g.strideW(),
            g.paddingH(),
            g.paddingW(),
            g.dilationH(),
            g.dilationW(),
            g.groups()
        };
    }

    /** The {@code Axis} of {@code conv.cu}. */
    private static long[] axis(Windows w) {
        return switch (w) {
            case Windows.Sliding s ->
                new long[] {s.size(), s.count(), s.kernel(), s.stride(), s.padding(), s.countPadding() ? 1 : 0};
            case Windows.Adaptive a -> new long[] {a.size(), a.count(), 0, 0, 0, 0};
        };
    }
}
