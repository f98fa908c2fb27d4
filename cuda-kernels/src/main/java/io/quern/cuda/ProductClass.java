package io.quern.cuda;

import io.quern.tensor.DType;

/**
 * Products that are expected to have the same fastest kernel: equal dtypes, layout and alignment, and equal sizes once each is
 * rounded up to a power of two.
 *
 * @param tf32 whether cuBLAS may round F32 operands to TF32
 * @param layout {@code n} or {@code t} for each operand: along which dimension it is stored
 * @param aligned whether both operands come in aligned pieces of eight
 * @param biased whether a bias is added, which our kernels do as they write and cuBLAS needs written beforehand
 */
record ProductClass(
        DType a,
        DType b,
        boolean tf32,
        String layout,
        int m,
        int k,
        int n,
        int batch,
        boolean aligned,
        boolean biased) {
    private static final int LARGEST = 1 << 30;
    private static final int PIECE = 8;

    static ProductClass of(MatMulProblem p, boolean tf32) {
        DType a = p.a().dtype();
        DType b = p.b().dtype();
        boolean aligned = !b.isQuantized() && p.aInPieces(PIECE) && p.bInPieces(PIECE);
        return new ProductClass(
                a,
                b,
                tf32 && a == DType.F32 && b == DType.F32,
                p.layout(),
                bucket(p.m()),
                bucket(p.k()),
                bucket(p.n()),
                bucket(p.batch()),
                aligned,
                p.biased());
    }

    /** The power of two at or above a size. */
    static int bucket(long size) {
        return size >= LARGEST ? LARGEST : size <= 1 ? 1 : 2 * Integer.highestOneBit((int) size - 1);
    }

    /** Such as {@code BF16 nt 8192 x 1024 x 4096 aligned}, the sizes being the largest of the class. */
    String describe() {
        return a + (a == b ? "" : " x " + b) + (tf32 ? " (TF32)" : "") + " " + layout + " " + m + " x " + k + " x " + n
                + (batch == 1 ? "" : ", batch " + batch) + (aligned ? ", aligned" : "") + (biased ? ", bias" : "");
    }
}
