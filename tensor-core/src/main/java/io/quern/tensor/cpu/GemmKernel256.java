package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The 6 x 16 tile for 256-bit vectors: AVX2 has 16 registers, of which 12 accumulate, two hold a row of B, one an
 * element of A.
 */
final class GemmKernel256 implements GemmKernel {
    private static final VectorSpecies<Float> S = FloatVector.SPECIES_256;
    private static final int L = 8;
    private static final int COLUMNS = 2 * L;
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
    }

    private static void tile2(int kc, float[] a, int at, float[] b, int bt, float[] c) {
        FloatVector c00 = FloatVector.zero(S);
        FloatVector c01 = FloatVector.zero(S);
        FloatVector c10 = FloatVector.zero(S);
        FloatVector c11 = FloatVector.zero(S);
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
        }
        c00.intoArray(c, 0);
        c01.intoArray(c, L);
        c10.intoArray(c, 2 * L);
        c11.intoArray(c, 3 * L);
    }
}
