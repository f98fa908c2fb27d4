package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Index;

/** Launches the kernels of {@code index.cu} and {@code embedding_grad.cu}, and copies. */
final class IndexLauncher {
    private final CudaDevice device;

    private final Together together;

    IndexLauncher(CudaDevice device, Together together) {
        this.device = device;
        this.together = together;
    }

    void run(Index op, Tensor[] in, Tensor y) {
        switch (op) {
            case Index.Embedding e -> embedding(in[0], in[1], y);
            case Index.EmbeddingGrad e -> embeddingGrad(in[0], in[1], y);
            case Index.Concat c -> concat(in, c.axis(), y);
            case Index.Pack p -> copy(in[0], y);
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
        device.launch(Kernels.sized("fill", y.dtype()))
                .struct(Walk.over(new int[] {Math.toIntExact(y.size())}, new long[] {1}))
                .i64(y.address())
                .i64(0)
                .i64(y.size())
                .over(y.size());
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
        long group = together.newGroup();
        for (Tensor p : parts) {
            if (p.size() == 0) {
                continue;
            }
            long chunk = p.size() / outer;
            together.copy(
                    p.dtype(),
                    Walk.over(
                            new int[] {Math.toIntExact(outer), Math.toIntExact(chunk)},
                            new long[] {y.size() / outer, 1},
                            new long[] {chunk, 1}),
                    at,
                    p.address(),
                    p.size(),
                    group);
            at += chunk * p.dtype().bytes();
        }
    }

    /** Copies the elements of one view to another of equal shape and dtype. */
    void copy(Tensor from, Tensor to) {
        long n = from.size();
        if (n == 0) {
            return;
        }
        if (from.dtype().isQuantized()) {
            if (!from.isPacked() || !to.isPacked()) {
                throw Kernels.unsupported(from.dtype());
            }
            device.copy(from.address(), to.address(), from.dtype().bytes(n)); // whole blocks, which are packed
            return;
        }
        long[] walk = Walk.over(from.shape().dims(), to.strides(), from.strides());
        if (Together.isOfRows(walk)) {
            together.copy(from.dtype(), walk, to.address(), from.address(), n, 0);
            return;
        }
        device.launch(Kernels.sized("copy", from.dtype()))
                .struct(walk)
                .i64(to.address())
                .i64(from.address())
                .i64(n)
                .over(n);
    }
}
