package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.I;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.op.Elementwise.CompareKind;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** y = 1 where the comparison of a and b holds, else 0, over packed F32 into I32. */
final class CompareKernels {
    private CompareKernels() {}

    private static VectorMask<Float> apply(CompareKind kind, FloatVector a, FloatVector b) {
        return switch (kind) {
            case EQ -> a.compare(VectorOperators.EQ, b);
            case NE -> a.compare(VectorOperators.NE, b);
            case LT -> a.compare(VectorOperators.LT, b);
            case LE -> a.compare(VectorOperators.LE, b);
            case GT -> a.compare(VectorOperators.GT, b);
            case GE -> a.compare(VectorOperators.GE, b);
        };
    }

    static void run(CompareKind kind, long a, long b, long y, int n) {
        int whole = F.loopBound(n);
        switch (kind) {
            case EQ -> eq(a, b, y, whole);
            case NE -> ne(a, b, y, whole);
            case LT -> lt(a, b, y, whole);
            case LE -> le(a, b, y, whole);
            case GT -> lt(b, a, y, whole);
            case GE -> le(b, a, y, whole);
        }
        if (whole < n) {
            long at = 4L * whole;
            VectorMask<Float> rest = Lanes.first(n - whole);
            VectorMask<Float> holds = apply(kind, load(a + at, rest), load(b + at, rest));
            Lanes.store(IntVector.zero(I).blend(1, holds.cast(I)), y + at, rest.cast(I));
        }
    }

    private static void eq(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            VectorMask<Float> holds = load(a + 4L * i).compare(VectorOperators.EQ, load(b + 4L * i));
            IntVector.zero(I).blend(1, holds.cast(I)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void ne(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            VectorMask<Float> holds = load(a + 4L * i).compare(VectorOperators.NE, load(b + 4L * i));
            IntVector.zero(I).blend(1, holds.cast(I)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void lt(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            VectorMask<Float> holds = load(a + 4L * i).compare(VectorOperators.LT, load(b + 4L * i));
            IntVector.zero(I).blend(1, holds.cast(I)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void le(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            VectorMask<Float> holds = load(a + 4L * i).compare(VectorOperators.LE, load(b + 4L * i));
            IntVector.zero(I).blend(1, holds.cast(I)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }
}
