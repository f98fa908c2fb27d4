package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Transposes blocks of 16 x 16 floats between heap arrays, in registers: stage after stage swaps the off-diagonal
 * blocks of 1, 2, 4 and 8 elements between pairs of rows. That takes 64 two-source permutations,
 * one for four elements. Machines with shorter vectors do the same with blocks of 4 x 4.
 */
final class GemmTranspose {
    private static final boolean WIDE = FloatVector.SPECIES_PREFERRED.length() >= 16;

    private GemmTranspose() {}

    /**
     * Sets {@code to[toAt + c * toStride + r] = from[fromAt + r * fromStride + c]} for r from 0 to {@code rows - 1} (8
     * or 16 rows) and c from 0 to 15.
     */
    static void block(int rows, float[] from, int fromAt, int fromStride, float[] to, int toAt, int toStride) {
        if (WIDE && rows == 16) {
            Wide.block(from, fromAt, fromStride, to, toAt, toStride);
            return;
        }
        for (int r = 0; r < rows; r += 4) {
            for (int c = 0; c < 16; c += 4) {
                Narrow.block(from, fromAt + r * fromStride + c, fromStride, to, toAt + c * toStride + r, toStride);
            }
        }
    }

    /**
     * Lanes for the row that stays above ({@code low}) or below when blocks of {@code b} elements are swapped: numbers
     * below the vector's length pick from the upper row, the others from the lower one.
     */
    private static FloatVector lanes(VectorSpecies<Float> species, int b, boolean low) {
        int n = species.length();
        float[] pick = new float[n];
        for (int c = 0; c < n; c++) {
            boolean own = (c & b) == 0;
            pick[c] = low ? (own ? c : n + c - b) : (own ? c + b : n + c);
        }
        return FloatVector.fromArray(species, pick, 0);
    }

    private static final class Wide {
        private static final VectorSpecies<Float> S = FloatVector.SPECIES_512;
        private static final FloatVector LOW1 = lanes(S, 1, true);
        private static final FloatVector HIGH1 = lanes(S, 1, false);
        private static final FloatVector LOW2 = lanes(S, 2, true);
        private static final FloatVector HIGH2 = lanes(S, 2, false);
        private static final FloatVector LOW4 = lanes(S, 4, true);
        private static final FloatVector HIGH4 = lanes(S, 4, false);
        private static final FloatVector LOW8 = lanes(S, 8, true);
        private static final FloatVector HIGH8 = lanes(S, 8, false);

        static void block(float[] from, int fromAt, int fromStride, float[] to, int toAt, int toStride) {
            FloatVector r0 = FloatVector.fromArray(S, from, fromAt);
            FloatVector r1 = FloatVector.fromArray(S, from, fromAt + fromStride);
            FloatVector r2 = FloatVector.fromArray(S, from, fromAt + 2 * fromStride);
            FloatVector r3 = FloatVector.fromArray(S, from, fromAt + 3 * fromStride);
            FloatVector r4 = FloatVector.fromArray(S, from, fromAt + 4 * fromStride);
            FloatVector r5 = FloatVector.fromArray(S, from, fromAt + 5 * fromStride);
            FloatVector r6 = FloatVector.fromArray(S, from, fromAt + 6 * fromStride);
            FloatVector r7 = FloatVector.fromArray(S, from, fromAt + 7 * fromStride);
            FloatVector r8 = FloatVector.fromArray(S, from, fromAt + 8 * fromStride);
            FloatVector r9 = FloatVector.fromArray(S, from, fromAt + 9 * fromStride);
            FloatVector r10 = FloatVector.fromArray(S, from, fromAt + 10 * fromStride);
            FloatVector r11 = FloatVector.fromArray(S, from, fromAt + 11 * fromStride);
            FloatVector r12 = FloatVector.fromArray(S, from, fromAt + 12 * fromStride);
            FloatVector r13 = FloatVector.fromArray(S, from, fromAt + 13 * fromStride);
            FloatVector r14 = FloatVector.fromArray(S, from, fromAt + 14 * fromStride);
            FloatVector r15 = FloatVector.fromArray(S, from, fromAt + 15 * fromStride);
            FloatVector s0 = LOW1.selectFrom(r0, r1);
            FloatVector s1 = HIGH1.selectFrom(r0, r1);
            FloatVector s2 = LOW1.selectFrom(r2, r3);
            FloatVector s3 = HIGH1.selectFrom(r2, r3);
            FloatVector s4 = LOW1.selectFrom(r4, r5);
            FloatVector s5 = HIGH1.selectFrom(r4, r5);
            FloatVector s6 = LOW1.selectFrom(r6, r7);
            FloatVector s7 = HIGH1.selectFrom(r6, r7);
            FloatVector s8 = LOW1.selectFrom(r8, r9);
            FloatVector s9 = HIGH1.selectFrom(r8, r9);
            FloatVector s10 = LOW1.selectFrom(r10, r11);
            FloatVector s11 = HIGH1.selectFrom(r10, r11);
            FloatVector s12 = LOW1.selectFrom(r12, r13);
            FloatVector s13 = HIGH1.selectFrom(r12, r13);
            FloatVector s14 = LOW1.selectFrom(r14, r15);
            FloatVector s15 = HIGH1.selectFrom(r14, r15);
            FloatVector t0 = LOW2.selectFrom(s0, s2);
            FloatVector t2 = HIGH2.selectFrom(s0, s2);
            FloatVector t1 = LOW2.selectFrom(s1, s3);
            FloatVector t3 = HIGH2.selectFrom(s1, s3);
            FloatVector t4 = LOW2.selectFrom(s4, s6);
            FloatVector t6 = HIGH2.selectFrom(s4, s6);
            FloatVector t5 = LOW2.selectFrom(s5, s7);
            FloatVector t7 = HIGH2.selectFrom(s5, s7);
            FloatVector t8 = LOW2.selectFrom(s8, s10);
            FloatVector t10 = HIGH2.selectFrom(s8, s10);
            FloatVector t9 = LOW2.selectFrom(s9, s11);
            FloatVector t11 = HIGH2.selectFrom(s9, s11);
            FloatVector t12 = LOW2.selectFrom(s12, s14);
            FloatVector t14 = HIGH2.selectFrom(s12, s14);
            FloatVector t13 = LOW2.selectFrom(s13, s15);
            FloatVector t15 = HIGH2.selectFrom(s13, s15);
            FloatVector u0 = LOW4.selectFrom(t0, t4);
            FloatVector u4 = HIGH4.selectFrom(t0, t4);
            FloatVector u1 = LOW4.selectFrom(t1, t5);
            FloatVector u5 = HIGH4.selectFrom(t1, t5);
            FloatVector u2 = LOW4.selectFrom(t2, t6);
            FloatVector u6 = HIGH4.selectFrom(t2, t6);
            FloatVector u3 = LOW4.selectFrom(t3, t7);
            FloatVector u7 = HIGH4.selectFrom(t3, t7);
            FloatVector u8 = LOW4.selectFrom(t8, t12);
            FloatVector u12 = HIGH4.selectFrom(t8, t12);
            FloatVector u9 = LOW4.selectFrom(t9, t13);
            FloatVector u13 = HIGH4.selectFrom(t9, t13);
            FloatVector u10 = LOW4.selectFrom(t10, t14);
            FloatVector u14 = HIGH4.selectFrom(t10, t14);
            FloatVector u11 = LOW4.selectFrom(t11, t15);
            FloatVector u15 = HIGH4.selectFrom(t11, t15);
            FloatVector v0 = LOW8.selectFrom(u0, u8);
            FloatVector v8 = HIGH8.selectFrom(u0, u8);
            FloatVector v1 = LOW8.selectFrom(u1, u9);
            FloatVector v9 = HIGH8.selectFrom(u1, u9);
            FloatVector v2 = LOW8.selectFrom(u2, u10);
            FloatVector v10 = HIGH8.selectFrom(u2, u10);
            FloatVector v3 = LOW8.selectFrom(u3, u11);
            FloatVector v11 = HIGH8.selectFrom(u3, u11);
            FloatVector v4 = LOW8.selectFrom(u4, u12);
            FloatVector v12 = HIGH8.selectFrom(u4, u12);
            FloatVector v5 = LOW8.selectFrom(u5, u13);
            FloatVector v13 = HIGH8.selectFrom(u5, u13);
            FloatVector v6 = LOW8.selectFrom(u6, u14);
            FloatVector v14 = HIGH8.selectFrom(u6, u14);
            FloatVector v7 = LOW8.selectFrom(u7, u15);
            FloatVector v15 = HIGH8.selectFrom(u7, u15);
            v0.intoArray(to, toAt);
            v1.intoArray(to, toAt + toStride);
            v2.intoArray(to, toAt + 2 * toStride);
            v3.intoArray(to, toAt + 3 * toStride);
            v4.intoArray(to, toAt + 4 * toStride);
            v5.intoArray(to, toAt + 5 * toStride);
            v6.intoArray(to, toAt + 6 * toStride);
            v7.intoArray(to, toAt + 7 * toStride);
            v8.intoArray(to, toAt + 8 * toStride);
            v9.intoArray(to, toAt + 9 * toStride);
            v10.intoArray(to, toAt + 10 * toStride);
            v11.intoArray(to, toAt + 11 * toStride);
            v12.intoArray(to, toAt + 12 * toStride);
            v13.intoArray(to, toAt + 13 * toStride);
            v14.intoArray(to, toAt + 14 * toStride);
            v15.intoArray(to, toAt + 15 * toStride);
        }
    }

    private static final class Narrow {
        private static final VectorSpecies<Float> S = FloatVector.SPECIES_128;
        private static final FloatVector LOW1 = lanes(S, 1, true);
        private static final FloatVector HIGH1 = lanes(S, 1, false);
        private static final FloatVector LOW2 = lanes(S, 2, true);
        private static final FloatVector HIGH2 = lanes(S, 2, false);

        static void block(float[] from, int fromAt, int fromStride, float[] to, int toAt, int toStride) {
            FloatVector r0 = FloatVector.fromArray(S, from, fromAt);
            FloatVector r1 = FloatVector.fromArray(S, from, fromAt + fromStride);
            FloatVector r2 = FloatVector.fromArray(S, from, fromAt + 2 * fromStride);
            FloatVector r3 = FloatVector.fromArray(S, from, fromAt + 3 * fromStride);
            FloatVector s0 = LOW1.selectFrom(r0, r1);
            FloatVector s1 = HIGH1.selectFrom(r0, r1);
            FloatVector s2 = LOW1.selectFrom(r2, r3);
            FloatVector s3 = HIGH1.selectFrom(r2, r3);
            FloatVector t0 = LOW2.selectFrom(s0, s2);
            FloatVector t2 = HIGH2.selectFrom(s0, s2);
            FloatVector t1 = LOW2.selectFrom(s1, s3);
            FloatVector t3 = HIGH2.selectFrom(s1, s3);
            t0.intoArray(to, toAt);
            t1.intoArray(to, toAt + toStride);
            t2.intoArray(to, toAt + 2 * toStride);
            t3.intoArray(to, toAt + 3 * toStride);
        }
    }
}
