package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.TensorMaps;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Attention;

/** Attention whose operands tensor maps describe, for {@code attention_wgmma.cu}: heads of 64 or 128 in BF16 or F16. */
final class BoxedAttention {
    /** QUERIES and KEYS, THREADS, STAGES of {@code attention_wgmma.cu}. */
    private static final int SIDE = 128;

    private static final int THREADS = 384;
    private static final int STAGES = 2;

    private static final int PIECE = 8;
    private static final int RANK = 4;

    private BoxedAttention() {}

    /** @param in queries, keys, values [B, T, H, D], a mask or null, a table of rows or null */
    static boolean takes(Attention.Options options, Tensor[] in) {
        DType dtype = in[0].dtype();
        int size = in[0].dim(3);
        boolean ok = (dtype == DType.BF16 || dtype == DType.F16) && (size == 64 || size == 128);
        ok &= options.dropout() == 0 && in[4] == null && in[0].size() > 0 && in[1].size() > 0;
        for (int i = 0; i < 3; i++) {
            ok &= in[i].address() % (2 * PIECE) == 0 && in[i].stride(3) == 1;
            for (int d = 0; d < 3; d++) {
                ok &= in[i].dim(d) == 1 || (in[i].stride(d) > 0 && in[i].stride(d) % PIECE == 0);
            }
        }
        return ok;
    }

    static void launch(CudaDevice device, Attention.Options options, Tensor[] in, Tensor[] out) {
        Tensor q = in[0];
        int size = q.dim(3);
        int tile = SIDE * size * 2;
        device.launch(Kernels.named("attention_wgmma_d" + size, q.dtype()))
                .struct(
                        q.dim(1),
                        in[1].dim(1),
                        q.dim(2),
                        in[1].dim(2),
                        options.causal() ? 1 : 0,
                        Double.doubleToRawLongBits(options.scale()))
                .struct(map(device.tensorMaps(), q))
                .struct(map(device.tensorMaps(), in[1]))
                .struct(map(device.tensorMaps(), in[2]))
                .i64(Kernels.address(in[3]))
                .i64(out[0].address())
                .i64(out[1].address())
                .shared((1 + 2 * STAGES) * tile + (1 + 4 * STAGES) * Long.BYTES)
                .run((q.dim(1) + SIDE - 1) / SIDE, q.dim(2), q.dim(0), THREADS);
    }

    private static long[] map(TensorMaps maps, Tensor t) {
        long[] size = new long[RANK];
        long[] stride = new long[RANK - 1];
        size[0] = t.dim(3);
        int[] order = {1, 2, 0};
        for (int d = 0; d < stride.length; d++) {
            size[d + 1] = t.dim(order[d]);
            // That of a single one is not looked at.
            stride[d] = size[d + 1] == 1 ? size[0] : t.stride(order[d]);
        }
        return maps.encode(t.dtype() == DType.BF16, t.address(), size, stride, SIDE);
    }
}
