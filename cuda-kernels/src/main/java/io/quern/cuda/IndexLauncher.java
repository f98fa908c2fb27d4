package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Index;

/** Launches the kernels of {@code index.cu}, and copies. */
final class IndexLauncher {
    private final CudaDevice device;

    IndexLauncher(CudaDevice device) {
        this.device = device;
    }

    void run(Index op, Tensor[] in, Tensor y) {
        switch (op) {
            case Index.Embedding e -> embedding(in[0], in[1], y);
            case Index.EmbeddingGrad e -> embeddingGrad(in[0], in[1], y);
            case Index.Concat c -> concat(in, c.axis(), y);
            case Index.Pack p -> copy(device, in[0], y);
        }
    }

    private void embedding(Tensor table, Tensor ids, Tensor y) {
        String kernel = table.dtype().isQuantized()
                ? "embedding_" + Kernels.blocks(table.dtype())
                : Kernels.sized("embedding", table.dtype());
        device.launch(kernel)
                .i64(table.address())
                .i64(ids.address())
                .i64(y.address())
                .i64(ids.size())
                .i64(table.dim(1))
                .i64(table.dim(0))
                .i64(device.faultAddress())
                .run(Kernels.rows(ids.size()), 1, 1, Kernels.REDUCING);
    }

    private void embeddingGrad(Tensor ids, Tensor dy, Tensor y) {
        if (y.size() > 0) {
            device.clear(y.address(), y.size() * y.dtype().bytes());
        }
        device.launch(Kernels.named("embedding_grad", y.dtype()))
                .i64(ids.address())
                .i64(dy.address())
                .i64(y.address())
                .i64(ids.size())
                .i64(y.dim(1))
                .i64(y.dim(0))
                .i64(device.faultAddress())
                .run(Kernels.rows(ids.size()), 1, 1, Kernels.REDUCING);
    }

    /** Each part is a matrix of chunks, which lie further apart in the result. */
    private void concat(Tensor[] parts, int axis, Tensor y) {
        long outer = 1;
        for (int d = 0; d < axis; d++) {
            outer *= y.dim(d);
        }
        long at = y.address();
        for (Tensor p : parts) {
            if (p.size() == 0) {
                continue;
            }
            long chunk = p.size() / outer;
            move(
                    device,
                    p.dtype(),
                    Walk.over(
                            new int[] {Math.toIntExact(outer), Math.toIntExact(chunk)},
                            new long[] {y.size() / outer, 1},
                            new long[] {chunk, 1}),
                    at,
                    p.address(),
                    p.size());
            at += chunk * p.dtype().bytes();
        }
    }

    /** Copies the elements of one view to another of equal shape and dtype. */
    static void copy(CudaDevice device, Tensor from, Tensor to) {
        if (from.size() == 0) {
            return;
        }
        if (from.isPacked() && to.isPacked()) {
            device.copy(from.address(), to.address(), from.dtype().bytes(from.size()));
            return;
        }
        move(
                device,
                from.dtype(),
                Walk.over(from.shape().dims(), to.strides(), from.strides()),
                to.address(),
                from.address(),
                from.size());
    }

    private static void move(CudaDevice device, DType dtype, long[] walk, long to, long from, long n) {
        device.launch(Kernels.sized("copy", dtype))
                .struct(walk)
                .i64(to)
                .i64(from)
                .i64(n)
                .over(n);
    }
}
