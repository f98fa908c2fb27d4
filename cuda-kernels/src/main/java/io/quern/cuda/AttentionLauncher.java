package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.Launch;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;

/**
 * Launches the kernels of {@code attention_mma.cu} for queries in BF16 and F16 whose rows are aligned, and else those of
 * {@code attention.cu}; forward those of {@code attention_wgmma.cu} where they are asked for.
 */
final class AttentionLauncher {
    private static final int LARGEST_HEAD = 128;

    /** What {@code attention_mma.cu} copies at once. */
    private static final int PIECE_BYTES = 16;

    private static final int PIECE = 8;

    private final CudaDevice device;
    private final CudaPool pool;

    /** No card has run those kernels yet: they are asked for. */
    private boolean hopper;

    AttentionLauncher(CudaDevice device, CudaPool pool) {
        this.device = device;
        this.pool = pool;
        useHopper("wgmma".equals(System.getProperty("quern.cuda.attention")));
    }

    void run(Attention op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Attention.Forward f -> forward(f, in, out);
            case Attention.Gradient g -> gradient(g, in, out);
        }
    }

    /** Whether forward takes the kernels that only Hopper runs where they can, for tests and measurements. */
    void useHopper(boolean use) {
        hopper = use && device.isHopper();
    }

    private void forward(Attention.Forward op, Tensor[] in, Tensor[] out) {
        Tensor q = in[0];
        if (hopper && BoxedAttention.takes(op.options(), in)) {
            BoxedAttention.launch(device, op.options(), in, out);
            return;
        }
        Family family = Family.of(q, in[1], in[2]);
        device.launch(family.kernel("", q))
                .struct(heads(op.options(), in))
                .i64(q.address())
                .i64(in[1].address())
                .i64(in[2].address())
                .i64(Kernels.address(in[3]))
                .i64(Kernels.address(in[4]))
                .i64(out[0].address())
                .i64(out[1].address())
                .i64(device.faultAddress())
                .run(family.blocks(q.dim(1)), q.dim(2), q.dim(0), family.threads);
    }

    private void gradient(Attention.Gradient op, Tensor[] in, Tensor[] out) {
        Tensor q = in[0];
        Tensor k = in[1];
        long[] heads = heads(op.options(), in);
        Family family = Family.of(q, k, in[2], in[6]);
        long rows = (long) q.dim(0) * q.dim(1) * q.dim(2);
        try (CudaPool.Scratch delta = pool.scratch(rows * in[5].dtype().bytes())) {
            device.launch(Kernels.named("attention_delta", q.dtype()))
                    .struct(heads)
                    .i64(in[4].address())
                    .i64(in[6].address())
                    .i64(delta.address())
                    .run(Kernels.blocks(rows), 1, 1, Kernels.THREADS);
            gradient(family.kernel("_dq", q), heads, in, delta)
                    .i64(out[0].address())
                    .run(family.blocks(q.dim(1)), q.dim(2), q.dim(0), family.threads);
            gradient(family.kernel("_dkv", q), heads, in, delta)
                    .i64(out[1].address())
                    .i64(out[2].address())
                    .run(family.blocks(k.dim(1)), k.dim(2), k.dim(0), family.threads);
        }
    }

    private Launch gradient(String kernel, long[] heads, Tensor[] in, CudaPool.Scratch delta) {
        return device.launch(kernel)
                .struct(heads)
                .i64(in[0].address())
                .i64(in[1].address())
                .i64(in[2].address())
                .i64(Kernels.address(in[3]))
                .i64(in[5].address())
                .i64(delta.address())
                .i64(in[6].address());
    }

    /**
     * Kernels that are built alike.
     *
     * @param rows of a block: queries, or keys for dk and dv
     */
    private record Family(String name, int rows, int threads) {
        private static final Family SCALAR = new Family("attention", 16, 16 * 16);
        private static final Family SCALAR_F64 = new Family("attention", 8, 8 * 8);
        private static final Family MMA = new Family("attention_mma", 64, 128);

        /** The family for queries and other operands [B, T, H, D]. */
        static Family of(Tensor q, Tensor... others) {
            if (q.dtype() == DType.F64) {
                return SCALAR_F64;
            }
            boolean mma = q.dtype() != DType.F32 && q.dim(1) > 1 && inPieces(q);
            for (Tensor t : others) {
                mma &= inPieces(t);
            }
            return mma ? MMA : SCALAR;
        }

        /** Whether rows are aligned pieces of 16 bytes. */
        private static boolean inPieces(Tensor t) {
            boolean whole = t.address() % PIECE_BYTES == 0 && t.dim(3) % PIECE == 0;
            for (int d = 0; d < 3; d++) {
                whole &= t.dim(d) == 1 || t.stride(d) % PIECE == 0;
            }
            return whole;
        }

        String kernel(String which, Tensor q) {
            int size = q.dim(3);
            if (size > LARGEST_HEAD) {
                throw new TensorException(
                        "CUDA has kernels for heads of up to " + LARGEST_HEAD + ", not " + size + "; use --device cpu");
            }
            return Kernels.named(name + which + (size <= 64 ? "_d64" : "_d128"), q.dtype());
        }

        long blocks(long n) {
            return (n + rows - 1) / rows;
        }
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
