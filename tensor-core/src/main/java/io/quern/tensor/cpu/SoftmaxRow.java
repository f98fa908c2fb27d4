package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;

/** The passes of a softmax over a stretch of a heap array, a whole number of vectors long. */
final class SoftmaxRow {
    private static final int L = Lanes.L;

    private SoftmaxRow() {}

    static float max(float[] p, int at, int n) {
        FloatVector m = FloatVector.broadcast(Lanes.F, Float.NEGATIVE_INFINITY);
        for (int j = 0; j < n; j += L) {
            m = m.max(FloatVector.fromArray(Lanes.F, p, at + j));
        }
        return m.reduceLanes(jdk.incubator.vector.VectorOperators.MAX);
    }

    /** p = exp(p - max); returns the sum. */
    static float exp(float[] p, int at, int n, float max) {
        return VectorMath.expSum(p, at, n, max);
    }

    static void scale(float[] p, int at, int n, float factor) {
        for (int j = 0; j < n; j += L) {
            FloatVector.fromArray(Lanes.F, p, at + j).mul(factor).intoArray(p, at + j);
        }
    }
}
