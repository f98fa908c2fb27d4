package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;

/** Launches the kernels of {@code attention.cu}. */
final class AttentionLauncher {
    private static final int LARGEST_HEAD = 128;

    private final CudaDevice device;
    private final CudaPool pool;

    AttentionLauncher(CudaDevice device, CudaPool pool) {
        this.device = device;
        this.pool = pool;
    }

    void run(Attention op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Attention.Forward f -> forward(f, in, out);
            case Attention.Gradient g -> gradient(g, in, out);
        }
    }

    private void forward(Attention.Forward op, Tensor[] in, Tensor[] out) {
        Tensor q = in[0];
        int side = side(q.dtype());
        device.launch(name("attention", q))
                .struct(heads(op.options(), in))
                .i64(q.address())
                .i64(in[1].address())
                .i64(in[2].address())
                .i64(Kernels.address(in[3]))
                .i64(Kernels.address(in[4]))
                .i64(out[0].address())
                .i64(out[1].address())
                .i64(device.faultAddress())
                .run(blocks(q.dim(1), side), q.dim(2), q.dim(0), side * side);
    }

    private void gradient(Attention.Gradient op, Tensor[] in, Tensor[] out) {
        Tensor q = in[0];
        Tensor k = in[1];
        long[] heads = heads(op.options(), in);
        int side = side(q.dtype());
        long rows = (long) q.dim(0) * q.dim(1) * q.dim(2);
        try (CudaPool.Scratch delta = pool.scratch(rows * in[5].dtype().bytes())) {
            device.launch(Kernels.named("attention_delta", q.dtype()))
                    .struct(heads)
                    .i64(in[4].address())
                    .i64(in[6].address())
                    .i64(delta.address())
                    .run(Kernels.blocks(rows), 1, 1, Kernels.THREADS);
            device.launch(name("attention_dq", q))
                    .struct(heads)
                    .i64(q.address())
                    .i64(k.address())
                    .i64(in[2].address())
                    .i64(Kernels.address(in[3]))
                    .i64(in[5].address())
                    .i64(delta.address())
                    .i64(in[6].address())
                    .i64(out[0].address())
                    .run(blocks(q.dim(1), side), q.dim(2), q.dim(0), side * side);
            device.launch(name("attention_dkv", q))
                    .struct(heads)
                    .i64(q.address())
                    .i64(k.address())
                    .i64(in[2].address())
                    .i64(Kernels.address(in[3]))
                    .i64(in[5].address())
                    .i64(delta.address())
                    .i64(in[6].address())
                    .i64(out[1].address())
                    .i64(out[2].address())
                    .run(blocks(k.dim(1), side), k.dim(2), k.dim(0), side * side);
        }
    }

    private static String name(String kernel, Tensor q) {
        int size = q.dim(3);
        if (size > LARGEST_HEAD) {
            throw new TensorException(
                    "CUDA has kernels for heads of up to " + LARGEST_HEAD + ", not " + size + "; use --device cpu");
        }
        return Kernels.named(kernel + (size <= 64 ? "_d64" : "_d128"), q.dtype());
    }

    /** Side of {@code attention.cu}. */
    private static int side(DType dtype) {
        return dtype == DType.F64 ? 8 : 16;
    }

    private static long blocks(long n, int side) {
        return (n + side - 1) / side;
    }

    /** The {@code Heads} of {@code attention.cu}. */
    private static long[] heads(Attention.Options o, Tensor[] in) {
        Tensor q = in[0];
        Tensor k = in[1];
        Tensor v = in[2];
        return new long[] {
            q.dim(0),
            q.dim(1),
            k.dim(1),
            q.dim(2),
            k.dim(2),
            q.dim(3),
            k.dim(0),
            q.stride(0),
            q.stride(1),
            q.stride(2),
            k.stride(0),
            k.stride(1),
            k.stride(2),
            v.stride(0),
            v.stride(1),
            v.stride(2),
            o.causal() ? 1 : 0,
            Double.doubleToRawLongBits(o.scale()),
            Double.doubleToRawLongBits(o.dropout()),
            o.seed(),
            o.stream()
        };
    }
}
