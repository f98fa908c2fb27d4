package io.quern.cuda;

import io.quern.cuda.driver.Cublas;
import io.quern.cuda.driver.Cublas.Operand;
import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Matrix products, by cuBLAS or by one of the kernels of {@link MatMulKernel}. The system property {@code quern.cuda.gemm}
 * chooses: {@code cublas}, {@code own}, {@code own:NAME} for a certain kernel where it can, or {@code auto}, which takes our
 * own for few rows and what cuBLAS cannot. With {@code quern.cuda.gemm.log=true} each new product is printed with its kernel.
 */
final class MatMulLauncher {
    private static final int MOST_BATCHES = 65535;
    private static final int MMA_THREADS = 128;

    /** Rows up to which our own kernels are taken although cuBLAS is there: they add the bias in the same launch. */
    private static final int FEW_ROWS = 4;

    /** WARPS, MOST_GROUPS of {@code gemv.cu}. */
    private static final int GEMV_WARPS = 8;

    private static final int GEMV_GROUPS = 8;

    /** What does a product. */
    enum Choice {
        AUTO,
        CUBLAS,
        OWN
    }

    private final CudaDevice device;
    private final boolean log = Boolean.getBoolean("quern.cuda.gemm.log");
    private final Set<String> logged = new HashSet<>();
    private Choice choice;
    private MatMulKernel wanted;
    private String last = "none";

    MatMulLauncher(CudaDevice device) {
        this.device = device;
        String wish = System.getProperty("quern.cuda.gemm", "auto").toLowerCase(Locale.ROOT);
        try {
            choice = Choice.valueOf((wish.startsWith("own:") ? "own" : wish).toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new TensorException("quern.cuda.gemm is auto, cublas, own or own:NAME, not '" + wish + "'", e);
        }
        wanted = wish.startsWith("own:") ? named(wish.substring("own:".length())) : null;
        if (choice == Choice.CUBLAS && device.cublas() == null) {
            throw new TensorException("quern.cuda.gemm=cublas, but cuBLAS was not found; say auto or own");
        }
    }

    static MatMulKernel named(String label) {
        return Arrays.stream(MatMulKernel.values())
                .filter(k -> k.label().equals(label))
                .findFirst()
                .orElseThrow(() -> new TensorException("quern.cuda.gemm=own:" + label + ": the kernels are "
                        + Arrays.stream(MatMulKernel.values())
                                .map(MatMulKernel::label)
                                .collect(Collectors.joining(", "))));
    }

    /** Chooses anew, for tests of both ways. */
    void choose(Choice wish) {
        choose(wish, null);
    }

    /** Chooses anew, with a kernel to take where it can. */
    void choose(Choice wish, MatMulKernel kernel) {
        choice = wish;
        wanted = kernel;
    }

    boolean hasCublas() {
        return device.cublas() != null;
    }

    /** What did the last product: {@code cublas} or the label of a kernel. */
    String last() {
        return last;
    }

    String description() {
        String own = wanted == null ? "own kernels" : "own kernel " + wanted.label() + " where it can";
        return choice == Choice.OWN || device.cublas() == null
                ? own
                : choice == Choice.CUBLAS
                        ? "cuBLAS, own kernels where it cannot"
                        : "cuBLAS, own kernels for up to " + FEW_ROWS + " rows and where it cannot";
    }

    void run(Tensor a, Tensor b, Tensor bias, Tensor c) {
        if (c.size() == 0) {
            return;
        }
        MatMulProblem p = MatMulProblem.of(a, b, c);
        if (p.batch() > MOST_BATCHES) {
            throw new TensorException(
                    "CUDA multiplies at most " + MOST_BATCHES + " matrices at once, not " + p.batch());
        }
        if (!p.sameDtypes() && a.dtype() != DType.F32) {
            throw new TensorException("CUDA has no kernel for " + a.describe() + " times " + b.describe()
                    + "; cast one of them, or use --device cpu");
        }
        MatMulKernel own = kernel(p);
        boolean ours = choice == Choice.OWN || choice == Choice.AUTO && own == MatMulKernel.GEMV && p.m() <= FEW_ROWS;
        Cublas cublas = ours ? null : device.cublas();
        if (cublas != null && byCublas(cublas, p, bias, c)) {
            note(p, "cublas");
            return;
        }
        note(p, own.label());
        switch (own) {
            case GEMV -> gemv(p, bias, c);
            case MMA_128, MMA_64, MMA_ANY -> mma(own, p, bias, c);
            case TILE_128 -> tile128(p, bias, c);
            case TILE -> tile(p, bias, c);
        }
    }

    private MatMulKernel kernel(MatMulProblem p) {
        return wanted != null && wanted.takes(p) ? wanted : MatMulKernel.choose(p, device.multiprocessors());
    }

    private void note(MatMulProblem p, String what) {
        last = what;
        if (log && logged.add(p.describe())) {
            System.err.println("matmul " + p.describe() + ": " + what);
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

    private void mma(MatMulKernel kernel, MatMulProblem p, Tensor bias, Tensor c) {
        String layout = kernel == MatMulKernel.MMA_ANY ? "any" : (p.aAlongK() ? "n" : "t") + (p.bAlongK() ? "t" : "n");
        device.launch("matmul_mma_" + layout + "_" + kernel.side() + "_" + p.dtypes())
                .struct(gemm(p))
                .struct(Walk.over(p.outer(), p.aOuter(), p.bOuter()))
                .i64(p.a().address())
                .i64(p.b().address())
                .i64(Kernels.address(bias))
                .i64(c.address())
                .run(p.tiles(kernel.side()) / p.batch(), 1, p.batch(), MMA_THREADS);
    }

    private void gemv(MatMulProblem p, Tensor bias, Tensor c) {
        DType type = p.b().dtype();
        boolean columns = p.bCol() == 1 && p.bRow() != 1;
        int rows = p.m() == 1 ? 1 : 4;
        int perChunk = type.isQuantized() ? 8 : 16 / type.bytes();
        long groups = GEMV_GROUPS;
        while (columns && groups > 2 && p.n() / (groups * perChunk) < 2L * device.multiprocessors()) {
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

    /** cuBLAS counts columns first, so it computes the transpose of c as that of b times that of a. */
    private boolean byCublas(Cublas cublas, MatMulProblem p, Tensor bias, Tensor c) {
        if (!p.sameDtypes() || p.k() == 0 || Math.max(p.m(), Math.max(p.n(), p.k())) > Integer.MAX_VALUE) {
            return false;
        }
        long aBatch = batchStride(p.outer(), p.aOuter());
        long bBatch = batchStride(p.outer(), p.bOuter());
        Operand left = operand(p.b(), p.k(), p.n(), p.bRow(), bBatch);
        Operand right = operand(p.a(), p.m(), p.k(), p.aRow(), aBatch);
        if (aBatch < 0 || bBatch < 0 || left == null || right == null) {
            return false;
        }
        if (bias != null) {
            // Added before the result is rounded to its dtype, so it must be there before.
            device.launch(Kernels.sized("copy", c.dtype()))
                    .struct(Walk.over(
                            new int[] {Math.toIntExact(c.size() / p.n()), (int) p.n()},
                            new long[] {p.n(), 1},
                            new long[] {0, 1}))
                    .i64(c.address())
                    .i64(bias.address())
                    .i64(c.size())
                    .run(Kernels.blocks(c.size()), 1, 1, Kernels.THREADS);
        }
        cublas.gemm(new Cublas.Call(
                c.dtype(),
                (int) p.n(),
                (int) p.m(),
                (int) p.k(),
                left,
                right,
                c.address(),
                (int) p.batch(),
                bias != null));
        return true;
    }

    /** The distance of one matrix of a batch to the next, or -1 if it is not always the same. */
    private static long batchStride(int[] outer, long[] strides) {
        long stride = 0;
        long covered = 1;
        boolean started = false;
        for (int d = outer.length - 1; d >= 0; d--) {
            if (outer[d] == 1) {
                continue;
            }
            if (!started) {
                stride = strides[d];
                started = true;
            } else if (strides[d] != stride * covered) {
                return -1;
            }
            covered *= outer[d];
        }
        return stride;
    }

    /** A row-major matrix is, column by column, its transpose without any more transposing. */
    private static Operand operand(Tensor t, long rows, long cols, long rowStride, long batchStride) {
        long colStride = t.stride(-1);
        if ((cols == 1 || colStride == 1) && (rows == 1 || rowStride >= cols)) {
            return leading(t, false, rows == 1 ? cols : rowStride, batchStride);
        }
        if ((rows == 1 || rowStride == 1) && (cols == 1 || colStride >= rows)) {
            return leading(t, true, cols == 1 ? rows : colStride, batchStride);
        }
        return null;
    }

    private static Operand leading(Tensor t, boolean transposed, long leading, long batchStride) {
        return leading > Integer.MAX_VALUE ? null : new Operand(t.address(), transposed, leading, batchStride);
    }
}
