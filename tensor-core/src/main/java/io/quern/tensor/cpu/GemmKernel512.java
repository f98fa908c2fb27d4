package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The 14 x 32 tile for 512-bit vectors: 28 of 32 registers accumulate, two hold a row of B, one an element of A. With
 * two loads of B for 28 multiply-adds, it suffers least when these loads are not aligned (2 to 8 %, against 13 % of 6 x
 * 64). Slower: 6 x 64, 12 x 32, 13 x 32, 8 x 48 (spills), unrolling over k (spills), counting k from 0 (three more
 * integer instructions compete for the multiply-adds' ports), A by rows (needs more streams than the prefetcher
 * follows).
 */
final class GemmKernel512 implements GemmKernel {
    private static final VectorSpecies<Float> S = FloatVector.SPECIES_512;
    private static final int L = 16;
    private static final int COLUMNS = 2 * L;
    private static final int PITCH = 16;

    @Override
    public int rows() {
        return 14;
    }

    @Override
    public int pitch() {
        return PITCH;
    }

    @Override
    public int columns() {
        return COLUMNS;
    }

    @Override
    public void tile(int rows, int kc, float[] a, int at, float[] b, int bt, float[] c) {
        if (rows > 8) {
            tile14(kc, a, at, b, bt, c);
        } else {
            tile8(kc, a, at, b, bt, c);
        }
    }

    private static void tile14(int kc, float[] a, int at, float[] b, int bt, float[] c) {
        FloatVector c0_0 = FloatVector.zero(S);
        FloatVector c0_1 = FloatVector.zero(S);
        FloatVector c1_0 = FloatVector.zero(S);
        FloatVector c1_1 = FloatVector.zero(S);
        FloatVector c2_0 = FloatVector.zero(S);
        FloatVector c2_1 = FloatVector.zero(S);
        FloatVector c3_0 = FloatVector.zero(S);
        FloatVector c3_1 = FloatVector.zero(S);
        FloatVector c4_0 = FloatVector.zero(S);
        FloatVector c4_1 = FloatVector.zero(S);
        FloatVector c5_0 = FloatVector.zero(S);
        FloatVector c5_1 = FloatVector.zero(S);
        FloatVector c6_0 = FloatVector.zero(S);
        FloatVector c6_1 = FloatVector.zero(S);
        FloatVector c7_0 = FloatVector.zero(S);
        FloatVector c7_1 = FloatVector.zero(S);
        FloatVector c8_0 = FloatVector.zero(S);
        FloatVector c8_1 = FloatVector.zero(S);
        FloatVector c9_0 = FloatVector.zero(S);
        FloatVector c9_1 = FloatVector.zero(S);
        FloatVector c10_0 = FloatVector.zero(S);
        FloatVector c10_1 = FloatVector.zero(S);
        FloatVector c11_0 = FloatVector.zero(S);
        FloatVector c11_1 = FloatVector.zero(S);
        FloatVector c12_0 = FloatVector.zero(S);
        FloatVector c12_1 = FloatVector.zero(S);
        FloatVector c13_0 = FloatVector.zero(S);
        FloatVector c13_1 = FloatVector.zero(S);
        int shift = bt - at * (COLUMNS / PITCH);
        int end = at + kc * PITCH;
        for (int q = at; q < end; q += PITCH) {
            int p = shift + q * (COLUMNS / PITCH);
            FloatVector b0 = FloatVector.fromArray(S, b, p);
            FloatVector b1 = FloatVector.fromArray(S, b, p + L);
            FloatVector a0 = FloatVector.broadcast(S, a[q]);
            c0_0 = a0.fma(b0, c0_0);
            c0_1 = a0.fma(b1, c0_1);
            FloatVector a1 = FloatVector.broadcast(S, a[q + 1]);
            c1_0 = a1.fma(b0, c1_0);
            c1_1 = a1.fma(b1, c1_1);
            FloatVector a2 = FloatVector.broadcast(S, a[q + 2]);
            c2_0 = a2.fma(b0, c2_0);
            c2_1 = a2.fma(b1, c2_1);
            FloatVector a3 = FloatVector.broadcast(S, a[q + 3]);
            c3_0 = a3.fma(b0, c3_0);
            c3_1 = a3.fma(b1, c3_1);
            FloatVector a4 = FloatVector.broadcast(S, a[q + 4]);
            c4_0 = a4.fma(b0, c4_0);
            c4_1 = a4.fma(b1, c4_1);
            FloatVector a5 = FloatVector.broadcast(S, a[q + 5]);
            c5_0 = a5.fma(b0, c5_0);
            c5_1 = a5.fma(b1, c5_1);
            FloatVector a6 = FloatVector.broadcast(S, a[q + 6]);
            c6_0 = a6.fma(b0, c6_0);
            c6_1 = a6.fma(b1, c6_1);
            FloatVector a7 = FloatVector.broadcast(S, a[q + 7]);
            c7_0 = a7.fma(b0, c7_0);
            c7_1 = a7.fma(b1, c7_1);
            FloatVector a8 = FloatVector.broadcast(S, a[q + 8]);
            c8_0 = a8.fma(b0, c8_0);
            c8_1 = a8.fma(b1, c8_1);
            FloatVector a9 = FloatVector.broadcast(S, a[q + 9]);
            c9_0 = a9.fma(b0, c9_0);
            c9_1 = a9.fma(b1, c9_1);
            FloatVector a10 = FloatVector.broadcast(S, a[q + 10]);
            c10_0 = a10.fma(b0, c10_0);
            c10_1 = a10.fma(b1, c10_1);
            FloatVector a11 = FloatVector.broadcast(S, a[q + 11]);
            c11_0 = a11.fma(b0, c11_0);
            c11_1 = a11.fma(b1, c11_1);
            FloatVector a12 = FloatVector.broadcast(S, a[q + 12]);
            c12_0 = a12.fma(b0, c12_0);
            c12_1 = a12.fma(b1, c12_1);
            FloatVector a13 = FloatVector.broadcast(S, a[q + 13]);
            c13_0 = a13.fma(b0, c13_0);
            c13_1 = a13.fma(b1, c13_1);
        }
        c0_0.intoArray(c, 0);
        c0_1.intoArray(c, L);
        c1_0.intoArray(c, 2 * L);
        c1_1.intoArray(c, 3 * L);
        c2_0.intoArray(c, 4 * L);
        c2_1.intoArray(c, 5 * L);
        c3_0.intoArray(c, 6 * L);
        c3_1.intoArray(c, 7 * L);
        c4_0.intoArray(c, 8 * L);
        c4_1.intoArray(c, 9 * L);
        c5_0.intoArray(c, 10 * L);
        c5_1.intoArray(c, 11 * L);
        c6_0.intoArray(c, 12 * L);
        c6_1.intoArray(c, 13 * L);
        c7_0.intoArray(c, 14 * L);
        c7_1.intoArray(c, 15 * L);
        c8_0.intoArray(c, 16 * L);
        c8_1.intoArray(c, 17 * L);
        c9_0.intoArray(c, 18 * L);
        c9_1.intoArray(c, 19 * L);
        c10_0.intoArray(c, 20 * L);
        c10_1.intoArray(c, 21 * L);
        c11_0.intoArray(c, 22 * L);
        c11_1.intoArray(c, 23 * L);
        c12_0.intoArray(c, 24 * L);
        c12_1.intoArray(c, 25 * L);
        c13_0.intoArray(c, 26 * L);
        c13_1.intoArray(c, 27 * L);
    }

    private static void tile8(int kc, float[] a, int at, float[] b, int bt, float[] c) {
        FloatVector c00 = FloatVector.zero(S);
        FloatVector c01 = FloatVector.zero(S);
        FloatVector c10 = FloatVector.zero(S);
        FloatVector c11 = FloatVector.zero(S);
        FloatVector c20 = FloatVector.zero(S);
        FloatVector c21 = FloatVector.zero(S);
        FloatVector c30 = FloatVector.zero(S);
        FloatVector c31 = FloatVector.zero(S);
        FloatVector c40 = FloatVector.zero(S);
        FloatVector c41 = FloatVector.zero(S);
        FloatVector c50 = FloatVector.zero(S);
        FloatVector c51 = FloatVector.zero(S);
        FloatVector c60 = FloatVector.zero(S);
        FloatVector c61 = FloatVector.zero(S);
        FloatVector c70 = FloatVector.zero(S);
        FloatVector c71 = FloatVector.zero(S);
        int shift = bt - at * (COLUMNS / PITCH);
        int end = at + kc * PITCH;
        for (int q = at; q < end; q += PITCH) {
            int p = shift + q * (COLUMNS / PITCH);
            FloatVector b0 = FloatVector.fromArray(S, b, p);
            FloatVector b1 = FloatVector.fromArray(S, b, p + L);
            FloatVector a0 = FloatVector.broadcast(S, a[q]);
            c00 = a0.fma(b0, c00);
            c01 = a0.fma(b1, c01);
            FloatVector a1 = FloatVector.broadcast(S, a[q + 1]);
            c10 = a1.fma(b0, c10);
            c11 = a1.fma(b1, c11);
            FloatVector a2 = FloatVector.broadcast(S, a[q + 2]);
            c20 = a2.fma(b0, c20);
            c21 = a2.fma(b1, c21);
            FloatVector a3 = FloatVector.broadcast(S, a[q + 3]);
            c30 = a3.fma(b0, c30);
            c31 = a3.fma(b1, c31);
            FloatVector a4 = FloatVector.broadcast(S, a[q + 4]);
            c40 = a4.fma(b0, c40);
            c41 = a4.fma(b1, c41);
            FloatVector a5 = FloatVector.broadcast(S, a[q + 5]);
            c50 = a5.fma(b0, c50);
            c51 = a5.fma(b1, c51);
            FloatVector a6 = FloatVector.broadcast(S, a[q + 6]);
            c60 = a6.fma(b0, c60);
            c61 = a6.fma(b1, c61);
            FloatVector a7 = FloatVector.broadcast(S, a[q + 7]);
            c70 = a7.fma(b0, c70);
            c71 = a7.fma(b1, c71);
        }
        c00.intoArray(c, 0);
        c01.intoArray(c, L);
        c10.intoArray(c, 2 * L);
        c11.intoArray(c, 3 * L);
        c20.intoArray(c, 4 * L);
        c21.intoArray(c, 5 * L);
        c30.intoArray(c, 6 * L);
        c31.intoArray(c, 7 * L);
        c40.intoArray(c, 8 * L);
        c41.intoArray(c, 9 * L);
        c50.intoArray(c, 10 * L);
        c51.intoArray(c, 11 * L);
        c60.intoArray(c, 12 * L);
        c61.intoArray(c, 13 * L);
        c70.intoArray(c, 14 * L);
        c71.intoArray(c, 15 * L);
    }
}
