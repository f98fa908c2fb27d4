package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Reduce;

/** Launches the kernels of {@code reduce.cu}, {@code topk.cu} and the norm of {@code update.cu}. */
final class ReduceLauncher {
    /** Results side by side from which on a thread sums a column alone. */
    private static final int COLUMNS = 32;

    private final CudaDevice device;
    private final CudaPool pool;
    private final TopKLauncher topK;
    private final SquaredNormLauncher squaredNorm;

    ReduceLauncher(CudaDevice device, CudaPool pool) {
        this.device = device;
        this.pool = pool;
        this.topK = new TopKLauncher(device, pool);
        this.squaredNorm = new SquaredNormLauncher(device, pool);
    }

    void run(Reduce op, Tensor[] in, Tensor[] out) {
        Tensor y = out[0];
        switch (op) {
            case Reduce.Axes a -> axes(a, in[0], y);
            case Reduce.ArgMax a -> {
                long n = in[0].dim(-1);
                device.launch(Kernels.named("argmax", in[0].dtype()))
                        .i64(in[0].address())
                        .i64(y.address())
                        .i64(y.size())
                        .i64(n)
                        .run(Kernels.rows(y.size()), 1, 1, Kernels.REDUCING);
            }
            case Reduce.TopK t -> topK.run(in[0], t.k(), out[0], out[1]);
            case Reduce.Softmax s -> rows("softmax", in, y, s.log());
            case Reduce.SoftmaxGrad s -> rows("softmax_grad", in, y, s.log());
            case Reduce.SquaredNorm s -> squaredNorm.run(in, y);
        }
    }

    private void rows(String kernel, Tensor[] in, Tensor y, boolean log) {
        if (y.size() == 0) {
            return;
        }
        long n = y.dim(-1);
        var launch = device.launch(Kernels.named(kernel, y.dtype()));
        for (Tensor t : in) {
            launch.i64(t.address());
        }
        launch.i64(y.address())
                .i64(y.size() / n)
                .i64(n)
                .i32(log ? 1 : 0)
                .run(Kernels.rows(y.size() / n), 1, 1, Kernels.REDUCING);
    }

    private void axes(Reduce.Axes op, Tensor x, Tensor y) {
        int rank = x.shape().rank();
        int[] kept = x.shape().dims();
        int[] reduced = new int[rank];
        long n = 1;
        for (int d = 0; d < rank; d++) {
            boolean gone = op.axes().contains(d);
            reduced[d] = gone ? kept[d] : 1;
            n *= reduced[d];
            kept[d] = gone ? 1 : kept[d];
        }
        if (rank > 0 && kept[rank - 1] >= COLUMNS && n > 0) {
            columns(op, x, y, kept, reduced, n);
            return;
        }
        device.launch(Kernels.named("reduce", x.dtype()))
                .i32(op.kind().ordinal())
                .struct(Walk.over(kept, x.strides()))
                .struct(Walk.over(reduced, x.strides()))
                .i64(x.address())
                .i64(y.address())
                .i64(y.size())
                .i64(n)
                .run(Kernels.rows(y.size()), 1, 1, Kernels.REDUCING);
    }

    private void columns(Reduce.Axes op, Tensor x, Tensor y, int[] kept, int[] reduced, long n) {
        Stretches stretches = Stretches.of(n);
        if (stretches.count() == 1) {
            columns(op, x, kept, reduced, 0, y, n, stretches);
            return;
        }
        try (CudaPool.Scratch sums = pool.scratch(stretches.count() * y.size() * Kernels.sumBytes(x.dtype()))) {
            columns(op, x, kept, reduced, sums.address(), y, n, stretches);
            device.launch(Kernels.named("reduce_stretches", x.dtype()))
                    .i32(op.kind().ordinal())
                    .i64(sums.address())
                    .i64(y.address())
                    .i64(stretches.count())
                    .i64(y.size())
                    .i64(n)
                    .run(Kernels.blocks(y.size()), 1, 1, Kernels.THREADS);
        }
    }

    private void columns(
            Reduce.Axes op, Tensor x, int[] kept, int[] reduced, long sums, Tensor y, long n, Stretches stretches) {
        device.launch(Kernels.named("reduce_columns", x.dtype()))
                .i32(op.kind().ordinal())
                .struct(Walk.over(kept, x.strides()))
                .struct(Walk.over(reduced, x.strides()))
                .i64(x.address())
                .i64(sums)
                .i64(y.address())
                .i64(y.size())
                .i64(n)
                .i64(stretches.rows())
                .run(Kernels.blocks(y.size()), stretches.count(), 1, Kernels.THREADS);
    }
}
