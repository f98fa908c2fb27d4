package io.quern.cuda;

import io.quern.cuda.driver.Cublas;
import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.TensorMaps;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.HashSet;
import java.util.Set;

/**
 * Matrix products, by cuBLAS or by one of the kernels of {@link MatMulKernel}, as {@link ProductChooser} says. With the system
 * property {@code quern.cuda.gemm.log=true} each new product is printed with its kernel.
 */
final class MatMulLauncher {
    private static final int MOST_BATCHES = 65535;
    private static final int MMA_THREADS = 128;

    /** THREADS of {@code matmul_wgmma.cu}, and what its {@code Shared} takes: stages, rows of results, mbarriers. */
    private static final int WGMMA_THREADS = 384;

    private static final int WGMMA_256_SHARED = 4 * (16384 + 32768) + 8 * 16 * 72 * 2 + 2 * 4 * 8;
    private static final int WGMMA_128_SHARED = 6 * (16384 + 16384) + 8 * 16 * 72 * 2 + 2 * 6 * 8;

    /** WARPS, MOST_GROUPS of {@code gemv.cu}. */
    private static final int GEMV_WARPS = 8;

    private static final int GEMV_GROUPS = 8;

    private final CudaDevice device;
    private final ProductChooser chooser;
    private final boolean log = Boolean.getBoolean("quern.cuda.gemm.log");
    private final Set<String> logged = new HashSet<>();

    MatMulLauncher(CudaDevice device, ProductChooser chooser) {
        this.device = device;
        this.chooser = chooser;
    }

    void run(Tensor a, Tensor b, Tensor bias, Tensor c) {
        if (c.size() == 0) {
            return;
        }
        MatMulProblem p = MatMulProblem.of(a, b, bias, c);
        if (p.batch() > MOST_BATCHES) {
            throw new TensorException(
                    "CUDA multiplies at most " + MOST_BATCHES + " matrices at once, not " + p.batch());
        }
        if (!p.sameDtypes() && a.dtype() != DType.F32) {
            throw new TensorException("CUDA has no kernel for " + a.describe() + " times " + b.describe()
                    + "; cast one of them, or use --device cpu");
        }
        Cublas.Call call = chooser.mayTakeCublas() ? CublasProduct.of(p, bias, c) : null;
        MatMulKernel own = chooser.pick(p, call != null);
        if (log && logged.add(p.describe())) {
            System.err.println("matmul " + p.describe() + ": " + chooser.last());
        }
        if (own == null) {
            byCublas(call, bias, c);
            return;
        }
        switch (own) {
            case GEMV, GEMV_2, GEMV_4, GEMV_8 -> gemv(p, own.groups(), bias, c);
            case MMA_128, MMA_64, MMA_ANY -> mma("mma", own, p, bias, c);
            case WGMMA_256, WGMMA_128 -> wgmma(own, p, bias, c);
            case TF32_128, TF32_64 -> mma("tf32", own, p, bias, c);
            case TILE_128 -> tile128(p, bias, c);
            case TILE -> tile(p, bias, c);
        }
    }

    /** The {@code Gemm} of {@code matmul.cuh}. */
    private static long[] gemm(MatMulProblem p) {
        return new long[] {p.m(), p.n(), p.k(), p.aRow(), p.aCol(), p.bRow(), bytesIfQuantized(p, p.bCol())};
    }

    private static long bytesIfQuantized(MatMulProblem p, long stride) {
        DType b = p.b().dtype();
        return b.isQuantized() ? b.bytes(stride) : stride;
    }

    private void tile(MatMulProblem p, Tensor bias, Tensor c) {
        int side = MatMulKernel.TILE.side();
        device.launch("matmul_" + p.dtypes())
                .struct(gemm(p))
                .struct(Walk.over(p.outer(), p.aOuter(), p.bOuter()))
                .i64(p.a().address())
                .i64(p.b().address())
                .i64(Kernels.address(bias))
                .i64(c.address())
                .run((p.n() + side - 1) / side, (p.m() + side - 1) / side, p.batch(), Kernels.THREADS);
    }

    private void tile128(MatMulProblem p, Tensor bias, Tensor c) {
        device.launch("matmul_128_" + p.dtypes())
                .struct(gemm(p))
                .struct(Walk.over(p.outer(), p.aOuter(), p.bOuter()))
                .i32(p.aInPieces(4) ? 1 : 0)
                .i32(p.bInPieces(4) ? 1 : 0)
                .i64(p.a().address())
                .i64(p.b().address())
                .i64(Kernels.address(bias))
                .i64(c.address())
                .run(p.tiles(MatMulKernel.TILE_128.side()) / p.batch(), 1, p.batch(), Kernels.THREADS);
    }

    private void mma(String family, MatMulKernel kernel, MatMulProblem p, Tensor bias, Tensor c) {
        String layout = kernel == MatMulKernel.MMA_ANY ? "any" : (p.aAlongK() ? "n" : "t") + (p.bAlongK() ? "t" : "n");
        String dtype = family.equals("mma") ? "_" + p.dtypes() : "";
        device.launch("matmul_" + family + "_" + layout + "_" + kernel.side() + dtype)
                .struct(gemm(p))
                .struct(Walk.over(p.outer(), p.aOuter(), p.bOuter()))
                .i64(p.a().address())
                .i64(p.b().address())
                .i64(Kernels.address(bias))
                .i64(c.address())
                .run(p.tiles(kernel.side()) / p.batch(), 1, p.batch(), MMA_THREADS);
    }

    private void wgmma(MatMulKernel kernel, MatMulProblem p, Tensor bias, Tensor c) {
        BoxedProblem boxed = BoxedProblem.of(p);
        int side = kernel.side();
        long tiles = boxed.tiles(MatMulKernel.WGMMA_ROWS, side);
        TensorMaps maps = device.tensorMaps();
        // A box has the rows of a tile, or 64 of K.
        long[] a = boxed.a().map(maps, boxed.counts(), p.aAlongK() ? MatMulKernel.WGMMA_ROWS : TensorMaps.BOX_ROW);
        long[] b = boxed.b().map(maps, boxed.counts(), p.bAlongK() ? side : TensorMaps.BOX_ROW);
        device.launch("matmul_wgmma_" + p.layout() + "_" + side + "_" + p.dtypes())
                .struct(boxed.members())
                .struct(a)
                .struct(b)
                .i64(Kernels.address(bias))
                .i64(c.address())
                .shared(side == 256 ? WGMMA_256_SHARED : WGMMA_128_SHARED)
                .run(Math.min(tiles, device.multiprocessors()), 1, 1, WGMMA_THREADS);
    }

    /** @param wanted groups of {@code gemv_columns}, or 0 for as many as leave enough blocks for the card */
    private void gemv(MatMulProblem p, int wanted, Tensor bias, Tensor c) {
        DType type = p.b().dtype();
        boolean columns = p.bCol() == 1 && p.bRow() != 1;
        int rows = p.m() == 1 ? 1 : 4;
        int perChunk = type.isQuantized() ? 8 : 16 / type.bytes();
        long groups = wanted == 0 ? GEMV_GROUPS : wanted;
        while (wanted == 0 && columns && groups > 2 && p.n() / (groups * perChunk) < 2L * device.multiprocessors()) {
            groups /= 2;
        }
        long stride = bytesIfQuantized(p, columns ? p.bRow() : p.bCol());
        boolean bChunks = p.b().address() % 16 == 0 && stride % perChunk == 0 && (!columns || p.n() % perChunk == 0);
        boolean aChunks = p.aCol() == 1 && p.a().address() % 16 == 0 && (p.m() == 1 || p.aRow() % 8 == 0);
        long perBlock = columns ? groups * perChunk : GEMV_WARPS;
        device.launch("gemv_" + (columns ? "columns_" : "rows_") + rows + "_" + p.dtypes())
                .struct(p.m(), p.n(), p.k(), p.aRow(), p.aCol(), stride, (bChunks ? 1 : 0) + (aChunks ? 2 : 0), groups)
                .i64(p.a().address())
                .i64(p.b().address())
                .i64(Kernels.address(bias))
                .i64(c.address())
                .run((p.n() + perBlock - 1) / perBlock, (p.m() + rows - 1) / rows, 1, 32 * GEMV_WARPS);
    }

    private void byCublas(Cublas.Call call, Tensor bias, Tensor c) {
        if (bias != null) {
            // Added before the result is rounded to its dtype, so it must be there before.
            long n = bias.size();
            device.launch(Kernels.sized("copy", c.dtype()))
                    .struct(Walk.over(
                            new int[] {Math.toIntExact(c.size() / n), (int) n}, new long[] {n, 1}, new long[] {0, 1}))
                    .i64(c.address())
                    .i64(bias.address())
                    .i64(c.size())
                    .over(c.size());
        }
        device.cublas().gemm(call);
    }
}
