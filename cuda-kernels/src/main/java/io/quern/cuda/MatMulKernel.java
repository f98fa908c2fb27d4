package io.quern.cuda;

import io.quern.tensor.DType;

/** Our own kernels of matrix products, by the names that {@code quern.cuda.gemm=own:NAME} takes. */
enum MatMulKernel {
    /** Few rows: reads b once. */
    GEMV("gemv", 0),
    /** The same where rows of b lie along N, with 2 threads side by side that take neighbouring columns. */
    GEMV_2("gemv_2", 0, 2),
    /** With 4. */
    GEMV_4("gemv_4", 0, 4),
    /** With 8: wide reads, but few blocks. */
    GEMV_8("gemv_8", 0, 8),
    /** Tensor cores, tiles of 128 x 128. */
    MMA_128("mma128", 128),
    /** Tensor cores, tiles of 64 x 64: for products with too few large ones to fill the card. */
    MMA_64("mma64", 64),
    /** Tensor cores of Hopper by warp groups, tiles of 128 x 256; taken only by a table of measurements, or by name. */
    WGMMA_256("wgmma256", 256),
    /** The same with tiles of 128 x 128. */
    WGMMA_128("wgmma128", 128),
    /** Tensor cores for operands without aligned rows. */
    MMA_ANY("mma_any", 64),
    /** F32 rounded to TF32, where that is allowed: tensor cores, tiles of 128 x 128. */
    TF32_128("tf32_128", 128),
    /** The same with tiles of 64 x 64. */
    TF32_64("tf32_64", 64),
    /** F32, tiles of 128 x 128. */
    TILE_128("tile128", 128),
    /** Everything, tiles of 64 x 64. */
    TILE("tile", 64);

    /** Rows up to which reading b is all there is to do. */
    private static final int FEW_ROWS = 8;

    /** Rows of a tile of those for Hopper. */
    static final int WGMMA_ROWS = 128;

    private static boolean tf32 = Boolean.getBoolean("quern.cuda.tf32");

    private final String label;
    private final int side;
    private final int groups;

    MatMulKernel(String label, int side) {
        this(label, side, 0);
    }

    MatMulKernel(String label, int side, int groups) {
        this.label = label;
        this.side = side;
        this.groups = groups;
    }

    String label() {
        return label;
    }

    /** The kernel of this label, or null. */
    static MatMulKernel find(String label) {
        for (MatMulKernel k : values()) {
            if (k.label.equals(label)) {
                return k;
            }
        }
        return null;
    }

    /** Whether F32 may be rounded to TF32, for tests; otherwise the property {@code quern.cuda.tf32} says so. */
    static void allowTf32(boolean allow) {
        tf32 = allow;
    }

    /** Whether it runs on cards of compute capability 9.0 alone. */
    boolean isForHopper() {
        return this == WGMMA_256 || this == WGMMA_128;
    }

    /** Side of a block's tile, or 0; of those for Hopper, its columns. */
    int side() {
        return side;
    }

    /** Threads side by side in {@code gemv_columns}; 0 if that is not fixed. */
    int groups() {
        return groups;
    }

    /** Whether the kernel can do a product on a card that it runs on, fast or not. */
    boolean takes(MatMulProblem p) {
        DType a = p.a().dtype();
        boolean half = p.sameDtypes() && (a == DType.BF16 || a == DType.F16);
        return switch (this) {
            case GEMV ->
                p.m() <= FEW_ROWS && p.batch() == 1 && p.k() > 0 && a != DType.F64 && (p.bRow() == 1 || p.bCol() == 1);
            case GEMV_2, GEMV_4, GEMV_8 -> GEMV.takes(p) && !p.bAlongK() && p.bRow() != 1;
            case MMA_128, MMA_64 -> half && p.k() > 0 && p.aInPieces(8) && p.bInPieces(8);
            case WGMMA_256, WGMMA_128 -> {
                BoxedProblem boxed = half ? BoxedProblem.of(p) : null;
                yield boxed != null && boxed.tiles(WGMMA_ROWS, side) > 0;
            }
            case MMA_ANY -> half;
            case TF32_128, TF32_64 ->
                tf32 && a == DType.F32 && p.sameDtypes() && p.k() > 0 && p.aInPieces(4) && p.bInPieces(4);
            case TILE_128 -> a == DType.F32 && !p.b().dtype().isQuantized();
            case TILE -> true;
        };
    }

    /** Which of them is meant for a product on a card with so many multiprocessors. Not measured on a card yet. */
    static MatMulKernel choose(MatMulProblem p, int multiprocessors) {
        if (GEMV.takes(p)) {
            return GEMV;
        }
        if (MMA_64.takes(p)) {
            return p.tiles(MMA_128.side) < multiprocessors ? MMA_64 : MMA_128;
        }
        if (MMA_ANY.takes(p)) {
            return MMA_ANY;
        }
        if (TF32_64.takes(p)) {
            return p.tiles(TF32_128.side) < multiprocessors ? TF32_64 : TF32_128;
        }
        return TILE_128.takes(p) && p.tiles(TILE_128.side) >= multiprocessors ? TILE_128 : TILE;
    }
}
