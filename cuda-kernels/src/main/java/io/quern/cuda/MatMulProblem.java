package io.quern.cuda;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.Arrays;

/**
 * A matrix product [m, k] times [k, n], {@code batch} times, whose outer dimensions are {@code outer}; strides in elements. A
 * batch that shares b and whose rows follow one another is one tall matrix.
 *
 * @param biased whether a bias [n] is added
 */
record MatMulProblem(
        Tensor a,
        Tensor b,
        long m,
        long n,
        long k,
        long batch,
        int[] outer,
        long[] aOuter,
        long[] bOuter,
        long aRow,
        long aCol,
        long bRow,
        long bCol,
        boolean biased) {
    private static final int CHUNK = 16;

    static MatMulProblem of(Tensor a, Tensor b, Tensor bias, Tensor c) {
        long k = a.dim(-1);
        long n = b.dim(-1);
        boolean tall = a.isPacked() && b.shape().rank() == 2;
        int[] outer =
                tall ? new int[0] : Arrays.copyOf(c.shape().dims(), c.shape().rank() - 2);
        return new MatMulProblem(
                a,
                b,
                tall ? c.size() / n : a.dim(-2),
                n,
                k,
                Shape.of(outer).size(),
                outer,
                outerStrides(a, outer),
                outerStrides(b, outer),
                tall && a.shape().rank() != 2 ? k : a.stride(-2),
                a.stride(-1),
                b.stride(-2),
                b.stride(-1),
                bias != null);
    }

    private static long[] outerStrides(Tensor t, int[] outer) {
        long[] s = new long[outer.length];
        int extra = outer.length - (t.shape().rank() - 2);
        for (int d = Math.max(0, extra); d < s.length; d++) {
            s[d] = t.dim(d - extra) == 1 ? 0 : t.strides()[d - extra];
        }
        return s;
    }

    /** The dtypes, such as {@code f32}, or {@code f32_bf16} for a narrower b. */
    String dtypes() {
        String name = Kernels.suffix(a.dtype());
        if (a.dtype() == b.dtype()) {
            return name;
        }
        return name + "_" + (b.dtype().isQuantized() ? Kernels.blocks(b.dtype()) : Kernels.suffix(b.dtype()));
    }

    boolean sameDtypes() {
        return a.dtype() == b.dtype();
    }

    /** Whether a is read along K. */
    boolean aAlongK() {
        return aCol == 1;
    }

    /** Whether b is read along K. */
    boolean bAlongK() {
        return bCol != 1;
    }

    /** Whether a is made of aligned pieces of {@code count} neighbours. */
    boolean aInPieces(int count) {
        return aCol == 1
                ? pieces(a, aOuter, count, k, m == 1 ? 0 : aRow)
                : aRow == 1 && pieces(a, aOuter, count, m, k == 1 ? 0 : aCol);
    }

    /** Whether b is made of aligned pieces of {@code count} neighbours. */
    boolean bInPieces(int count) {
        return bCol == 1
                ? pieces(b, bOuter, count, n, k == 1 ? 0 : bRow)
                : bRow == 1 && pieces(b, bOuter, count, k, n == 1 ? 0 : bCol);
    }

    private static boolean pieces(Tensor t, long[] outer, int count, long length, long stride) {
        boolean whole = t.address() % CHUNK == 0 && length % count == 0 && stride % count == 0;
        for (long s : outer) {
            whole &= s % count == 0;
        }
        return whole;
    }

    long tiles(int side) {
        return (m + side - 1) / side * ((n + side - 1) / side) * batch;
    }

    /** Such as {@code F32 x BF16, 8 x 768 times 768 x 2304, nt}: n or t says along which dimension an operand is stored. */
    String describe() {
        return a.dtype() + (sameDtypes() ? "" : " x " + b.dtype()) + ", " + m + " x " + k + " times " + k + " x " + n
                + (batch == 1 ? "" : ", batch " + batch) + ", " + layout() + (biased ? ", bias" : "");
    }

    /** {@code n} or {@code t} for each operand: along which dimension it is stored. */
    String layout() {
        return (aAlongK() ? "n" : "t") + (bAlongK() ? "t" : "n");
    }
}
