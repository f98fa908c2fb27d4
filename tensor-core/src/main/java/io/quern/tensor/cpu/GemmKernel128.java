package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The 6 x 16 tile for 128-bit vectors, made for the 32 registers of NEON: 24 accumulate, four hold a row of B, one an
 * element of A. On x86 without AVX, with 16 registers, it spills.
 */
final class GemmKernel128 implements GemmKernel {
    private static final VectorSpecies<Float> S = FloatVector.SPECIES_128;
    private static final int L = 4;
    private static final int COLUMNS = 4 * L;
    private static final int PITCH = 8;

    @Override
    public int rows() {
        return 6;
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
        if (rows > 2) {
            tile6(kc, a, at, b, bt, c);
        } else {
            tile2(kc, a, at, b, bt, c);
        }
    }

    private static void tile6(int kc, float[] a, int at, float[] b, int bt, float[] c) {
        FloatVector c00 = FloatVector.zero(S);
        FloatVector c01 = FloatVector.zero(S);
        FloatVector c02 = FloatVector.zero(S);
        FloatVector c03 = FloatVector.zero(S);
        FloatVector c10 = FloatVector.zero(S);
        FloatVector c11 = FloatVector.zero(S);
        FloatVector c12 = FloatVector.zero(S);
        FloatVector c13 = FloatVector.zero(S);
        FloatVector c20 = FloatVector.zero(S);
        FloatVector c21 = FloatVector.zero(S);
        FloatVector c22 = FloatVector.zero(S);
        FloatVector c23 = FloatVector.zero(S);
        FloatVector c30 = FloatVector.zero(S);
        FloatVector c31 = FloatVector.zero(S);
        FloatVector c32 = FloatVector.zero(S);
        FloatVector c33 = FloatVector.zero(S);
        FloatVector c40 = FloatVector.zero(S);
        FloatVector c41 = FloatVector.zero(S);
        FloatVector c42 = FloatVector.zero(S);
        FloatVector c43 = FloatVector.zero(S);
        FloatVector c50 = FloatVector.zero(S);
        FloatVector c51 = FloatVector.zero(S);
        FloatVector c52 = FloatVector.zero(S);
        FloatVector c53 = FloatVector.zero(S);
        int shift = bt - at * (COLUMNS / PITCH);
        int end = at + kc * PITCH;
        for (int q = at; q < end; q += PITCH) {
            int p = shift + q * (COLUMNS / PITCH);
            FloatVector b0 = FloatVector.fromArray(S, b, p);
            FloatVector b1 = FloatVector.fromArray(S, b, p + L);
            FloatVector b2 = FloatVector.fromArray(S, b, p + 2 * L);
            FloatVector b3 = FloatVector.fromArray(S, b, p + 3 * L);
            FloatVector a0 = FloatVector.broadcast(S, a[q]);
            c00 = a0.fma(b0, c00);
            c01 = a0.fma(b1, c01);
            c02 = a0.fma(b2, c02);
            c03 = a0.fma(b3, c03);
            FloatVector a1 = FloatVector.broadcast(S, a[q + 1]);
            c10 = a1.fma(b0, c10);
            c11 = a1.fma(b1, c11);
            c12 = a1.fma(b2, c12);
            c13 = a1.fma(b3, c13);
            FloatVector a2 = FloatVector.broadcast(S, a[q + 2]);
            c20 = a2.fma(b0, c20);
            c21 = a2.fma(b1, c21);
            c22 = a2.fma(b2, c22);
            c23 = a2.fma(b3, c23);
            FloatVector a3 = FloatVector.broadcast(S, a[q + 3]);
            c30 = a3.fma(b0, c30);
            c31 = a3.fma(b1, c31);
            c32 = a3.fma(b2, c32);
            c33 = a3.fma(b3, c33);
            FloatVector a4 = FloatVector.broadcast(S, a[q + 4]);
            c40 = a4.fma(b0, c40);
            c41 = a4.fma(b1, c41);
            c42 = a4.fma(b2, c42);
            c43 = a4.fma(b3, c43);
            FloatVector a5 = FloatVector.broadcast(S, a[q + 5]);
            c50 = a5.fma(b0, c50);
            c51 = a5.fma(b1, c51);
            c52 = a5.fma(b2, c52);
            c53 = a5.fma(b3, c53);
        }
        c00.intoArray(c, 0);
        c01.intoArray(c, L);
        c02.intoArray(c, 2 * L);
        c03.intoArray(c, 3 * L);
        c10.intoArray(c, 4 * L);
        c11.intoArray(c, 5 * L);
        c12.intoArray(c, 6 * L);
        c13.intoArray(c, 7 * L);
        c20.intoArray(c, 8 * L);
        c21.intoArray(c, 9 * L);
        c22.intoArray(c, 10 * L);
        c23.intoArray(c, 11 * L);
        c30.intoArray(c, 12 * L);
        c31.intoArray(c, 13 * L);
        c32.intoArray(c, 14 * L);
        c33.intoArray(c, 15 * L);
        c40.intoArray(c, 16 * L);
        c41.intoArray(c, 17 * L);
        c42.intoArray(c, 18 * L);
        c43.intoArray(c, 19 * L);
        c50.intoArray(c, 20 * L);
        c51.intoArray(c, 21 * L);
        c52.intoArray(c, 22 * L);
        c53.intoArray(c, 23 * L);
    }

    private static void tile2(int kc, float[] a, int at, float[] b, int bt, float[] c) {
        FloatVector c00 = FloatVector.zero(S);
        FloatVector c01 = FloatVector.zero(S);
        FloatVector c02 = FloatVector.zero(S);
        FloatVector c03 = FloatVector.zero(S);
        FloatVector c10 = FloatVector.zero(S);
        FloatVector c11 = FloatVector.zero(S);
        FloatVector c12 = FloatVector.zero(S);
        FloatVector c13 = FloatVector.zero(S);
        int shift = bt - at * (COLUMNS / PITCH);
        int end = at + kc * PITCH;
        for (int q = at; q < end; q += PITCH) {
            int p = shift + q * (COLUMNS / PITCH);
            FloatVector b0 = FloatVector.fromArray(S, b, p);
            FloatVector b1 = FloatVector.fromArray(S, b, p + L);
            FloatVector b2 = FloatVector.fromArray(S, b, p + 2 * L);
            FloatVector b3 = FloatVector.fromArray(S, b, p + 3 * L);
            FloatVector a0 = FloatVector.broadcast(S, a[q]);
            c00 = a0.fma(b0, c00);
            c01 = a0.fma(b1, c01);
            c02 = a0.fma(b2, c02);
            c03 = a0.fma(b3, c03);
            FloatVector a1 = FloatVector.broadcast(S, a[q + 1]);
            c10 = a1.fma(b0, c10);
            c11 = a1.fma(b1, c11);
            c12 = a1.fma(b2, c12);
            c13 = a1.fma(b3, c13);
        }
        c00.intoArray(c, 0);
        c01.intoArray(c, L);
        c02.intoArray(c, 2 * L);
        c03.intoArray(c, 3 * L);
        c10.intoArray(c, 4 * L);
        c11.intoArray(c, 5 * L);
        c12.intoArray(c, 6 * L);
        c13.intoArray(c, 7 * L);
    }
}
