package io.quern.cuda;

import io.quern.cuda.driver.TensorMaps;
import io.quern.tensor.DType;

/**
 * A product whose operands tensor maps describe, for {@code matmul_wgmma.cu}: up to two dimensions count the matrices, of
 * which an operand may lack some.
 *
 * @param counts of the matrices, inner first
 */
record BoxedProblem(MatMulProblem p, long[] counts, Operand a, Operand b) {
    private static final int PIECE = 8;
    private static final long LONGEST_STRIDE = 1L << 39;

    /** Members of a {@code Walk}: rank, sizes, and strides of each operand. */
    private static final int WALK_RANK = 8;

    /**
     * An operand: {@code inner} numbers that are neighbours, {@code outer} rows of them, and strides in numbers.
     *
     * @param batch strides of the counts, 0 where the operand has but one
     */
    record Operand(boolean bfloat16, long address, long inner, long outer, long stride, long[] batch) {
        /** Of a row where there is but one, so that it is not looked at. */
        private long rowStride() {
            return outer > 1 ? stride : (inner + PIECE - 1) / PIECE * PIECE;
        }

        boolean fits() {
            long row = rowStride();
            boolean ok = row > 0 && row < LONGEST_STRIDE && inner <= Integer.MAX_VALUE && outer <= Integer.MAX_VALUE;
            for (long s : batch) {
                ok &= s >= 0 && s < LONGEST_STRIDE;
            }
            return ok;
        }

        long[] map(TensorMaps maps, long[] counts, int rows) {
            int rank = counts[0] * counts[1] == 1 ? 2 : 4;
            long[] size = new long[rank];
            long[] strides = new long[rank - 1];
            size[0] = inner;
            size[1] = outer;
            strides[0] = rowStride();
            for (int d = 2; d < rank; d++) {
                size[d] = batch[d - 2] == 0 ? 1 : counts[d - 2];
                strides[d - 1] = batch[d - 2] == 0 ? strides[0] : batch[d - 2];
            }
            return maps.encode(bfloat16, address, size, strides, rows);
        }

        /** Which of the counts it has, as bits. */
        long has() {
            return (batch[0] == 0 ? 0 : 1) + (batch[1] == 0 ? 0 : 2);
        }
    }

    /** The problem in this form, or null if it has none. */
    static BoxedProblem of(MatMulProblem p) {
        if (p.k() == 0 || !p.aInPieces(PIECE) || !p.bInPieces(PIECE)) {
            return null;
        }
        long[] walk = Walk.over(p.outer(), p.aOuter(), p.bOuter());
        int rank = (int) walk[0];
        if (rank > 2) {
            return null;
        }
        long[] counts = {1, 1};
        long[][] batch = new long[2][2];
        for (int d = 0; d < rank; d++) {
            int from = rank - 1 - d;
            counts[d] = walk[1 + from];
            for (int i = 0; i < 2; i++) {
                batch[i][d] = walk[1 + WALK_RANK * (1 + i) + from];
            }
        }
        boolean bfloat16 = p.a().dtype() == DType.BF16;
        boolean across = !p.aAlongK();
        boolean along = p.bAlongK();
        Operand a = new Operand(
                bfloat16,
                p.a().address(),
                across ? p.m() : p.k(),
                across ? p.k() : p.m(),
                across ? p.aCol() : p.aRow(),
                batch[0]);
        Operand b = new Operand(
                bfloat16,
                p.b().address(),
                along ? p.k() : p.n(),
                along ? p.n() : p.k(),
                along ? p.bCol() : p.bRow(),
                batch[1]);
        return a.fits() && b.fits() ? new BoxedProblem(p, counts, a, b) : null;
    }

    /** Tiles of the result, or -1 if they cannot be counted in 32 bits. */
    long tiles(int rows, int columns) {
        long all = (p.m() + rows - 1) / rows * ((p.n() + columns - 1) / columns);
        return all > Integer.MAX_VALUE / p.batch() ? -1 : all * p.batch();
    }

    /** The {@code BoxedGemm} of the kernels. */
    long[] members() {
        return new long[] {p.m(), p.n(), p.k(), p.batch(), counts[0], a.has(), b.has()};
    }
}
