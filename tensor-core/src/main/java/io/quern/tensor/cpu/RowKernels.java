package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.I;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Elementwise.BinaryKind;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Sums and extremes of one run of F32. A sum runs in four vectors of lanes over blocks, whose sums are added in float64:
 * its error does not grow with the length, and its order depends on the length alone.
 */
final class RowKernels {
    private static final int BLOCK = 4096;

    private RowKernels() {}

    static double sum(long x, int n) {
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            sum += sumBlock(x + 4L * i, Math.min(BLOCK, n - i));
        }
        return sum;
    }

    private static float sumBlock(long x, int n) {
        FloatVector a = FloatVector.zero(F);
        FloatVector b = FloatVector.zero(F);
        FloatVector c = FloatVector.zero(F);
        FloatVector d = FloatVector.zero(F);
        int i = 0;
        // Twelve vectors in a round make the method too long to be inlined: inside long callers, vectors were boxed.
        for (; i <= n - 12 * L; i += 12 * L) {
            a = a.add(load(x + 4L * i));
            b = b.add(load(x + 4L * (i + L)));
            c = c.add(load(x + 4L * (i + 2 * L)));
            d = d.add(load(x + 4L * (i + 3 * L)));
            a = a.add(load(x + 4L * (i + 4 * L)));
            b = b.add(load(x + 4L * (i + 5 * L)));
            c = c.add(load(x + 4L * (i + 6 * L)));
            d = d.add(load(x + 4L * (i + 7 * L)));
            a = a.add(load(x + 4L * (i + 8 * L)));
            b = b.add(load(x + 4L * (i + 9 * L)));
            c = c.add(load(x + 4L * (i + 10 * L)));
            d = d.add(load(x + 4L * (i + 11 * L)));
        }
        for (; i <= n - 4 * L; i += 4 * L) {
            a = a.add(load(x + 4L * i));
            b = b.add(load(x + 4L * (i + L)));
            c = c.add(load(x + 4L * (i + 2 * L)));
            d = d.add(load(x + 4L * (i + 3 * L)));
        }
        for (; i < n; i += L) {
            a = a.add(load(x + 4L * i, F.indexInRange(i, n)));
        }
        return Lanes.sum(a.add(b).add(c.add(d)));
    }

    /** Sum of (x - shift)^2. */
    static double squares(long x, float shift, int n) {
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            sum += squaresBlock(x + 4L * i, shift, Math.min(BLOCK, n - i));
        }
        return sum;
    }

    private static float squaresBlock(long x, float shift, int n) {
        FloatVector a = FloatVector.zero(F);
        FloatVector b = FloatVector.zero(F);
        FloatVector s = FloatVector.broadcast(F, shift);
        int i = 0;
        // As long as it is for the reason given in sumBlock.
        for (; i <= n - 8 * L; i += 8 * L) {
            FloatVector u0 = load(x + 4L * i).sub(s);
            FloatVector v0 = load(x + 4L * (i + L)).sub(s);
            a = u0.fma(u0, a);
            b = v0.fma(v0, b);
            FloatVector u1 = load(x + 4L * (i + 2 * L)).sub(s);
            FloatVector v1 = load(x + 4L * (i + 3 * L)).sub(s);
            a = u1.fma(u1, a);
            b = v1.fma(v1, b);
            FloatVector u2 = load(x + 4L * (i + 4 * L)).sub(s);
            FloatVector v2 = load(x + 4L * (i + 5 * L)).sub(s);
            a = u2.fma(u2, a);
            b = v2.fma(v2, b);
            FloatVector u3 = load(x + 4L * (i + 6 * L)).sub(s);
            FloatVector v3 = load(x + 4L * (i + 7 * L)).sub(s);
            a = u3.fma(u3, a);
            b = v3.fma(v3, b);
        }
        for (; i <= n - 2 * L; i += 2 * L) {
            FloatVector u = load(x + 4L * i).sub(s);
            FloatVector v = load(x + 4L * (i + L)).sub(s);
            a = u.fma(u, a);
            b = v.fma(v, b);
        }
        for (; i < n; i += L) {
            VectorMask<Float> some = F.indexInRange(i, n);
            FloatVector u = FloatVector.zero(F).blend(load(x + 4L * i, some).sub(s), some);
            a = u.fma(u, a);
        }
        return Lanes.sum(a.add(b));
    }

    /** Sum of x * y. */
    static double dot(long x, long y, int n) {
        double sum = 0;
        for (int i = 0; i < n; i += BLOCK) {
            sum += dotBlock(x + 4L * i, y + 4L * i, Math.min(BLOCK, n - i));
        }
        return sum;
    }

    private static float dotBlock(long x, long y, int n) {
        FloatVector a = FloatVector.zero(F);
        FloatVector b = FloatVector.zero(F);
        int i = 0;
        for (; i <= n - 2 * L; i += 2 * L) {
            a = load(x + 4L * i).fma(load(y + 4L * i), a);
            b = load(x + 4L * (i + L)).fma(load(y + 4L * (i + L)), b);
        }
        for (; i < n; i += L) {
            VectorMask<Float> some = F.indexInRange(i, n);
            a = load(x + 4L * i, some).fma(load(y + 4L * i, some), a);
        }
        return Lanes.sum(a.add(b));
    }

    /** The largest number, NaN if there is one; -inf of none. */
    static float max(long x, int n) {
        FloatVector a = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i <= n - L; i += L) {
            a = a.max(load(x + 4L * i));
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            a = a.lanewise(VectorOperators.MAX, load(x + 4L * i, some), some);
        }
        return a.reduceLanes(VectorOperators.MAX);
    }

    /** The smallest number, NaN if there is one; +inf of none. */
    static float min(long x, int n) {
        FloatVector a = FloatVector.broadcast(F, Float.POSITIVE_INFINITY);
        int i = 0;
        for (; i <= n - L; i += L) {
            a = a.min(load(x + 4L * i));
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            a = a.lanewise(VectorOperators.MIN, load(x + 4L * i, some), some);
        }
        return a.reduceLanes(VectorOperators.MIN);
    }

    /** The largest number that is not NaN, or -inf: two instructions a vector instead of six. */
    static float peak(long x, int n) {
        FloatVector a = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector b = a;
        int i = 0;
        for (; i <= n - 2 * L; i += 2 * L) {
            FloatVector u = load(x + 4L * i);
            FloatVector v = load(x + 4L * (i + L));
            a = a.blend(u, u.compare(VectorOperators.GT, a));
            b = b.blend(v, v.compare(VectorOperators.GT, b));
        }
        for (; i < n; i += L) {
            VectorMask<Float> some = F.indexInRange(i, n);
            FloatVector u = load(x + 4L * i, some);
            a = a.blend(u, u.compare(VectorOperators.GT, a).and(some));
        }
        return a.max(b).reduceLanes(VectorOperators.MAX);
    }

    /** The first index of a value, or {@code n}. Without a branch: leaving the loop early boxed its masks. */
    static int indexOf(long x, float value, int n) {
        IntVector first = IntVector.broadcast(I, n);
        IntVector index = IntVector.zero(I).addIndex(1);
        int i = 0;
        for (; i <= n - L; i += L) {
            VectorMask<Float> hit = load(x + 4L * i).compare(VectorOperators.EQ, value);
            first = first.min(IntVector.broadcast(I, n).blend(index.add(i), hit.cast(I)));
        }
        for (; i < n; i++) {
            if (OffHeap.getFloat(x + 4L * i) == value) {
                return Math.min(i, first.reduceLanes(VectorOperators.MIN));
            }
        }
        return first.reduceLanes(VectorOperators.MIN);
    }

    /** y = x * factor. */
    static void scale(long x, float factor, long y, int n) {
        int i = 0;
        for (; i <= n - L; i += L) {
            load(x + 4L * i).mul(factor).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            load(x + 4L * i, some).mul(factor).intoMemorySegment(ALL, y + 4L * i, ORDER, some);
        }
    }

    /** y += a + b + c + d. */
    static void addFour(long y, long a, long b, long c, long d, int n) {
        if (MachineCode.isUsed()) {
            NativeCall.call(RowCode.addFour(), y, a, b, c, d, n);
            return;
        }
        int i = 0;
        for (; i <= n - L; i += L) {
            FloatVector s = load(a + 4L * i).add(load(b + 4L * i));
            FloatVector t = load(c + 4L * i).add(load(d + 4L * i));
            load(y + 4L * i).add(s.add(t)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            FloatVector s = load(a + 4L * i, some).add(load(b + 4L * i, some));
            FloatVector t = load(c + 4L * i, some).add(load(d + 4L * i, some));
            load(y + 4L * i, some).add(s.add(t)).intoMemorySegment(ALL, y + 4L * i, ORDER, some);
        }
    }

    /** y += x. */
    static void add(long y, long x, int n) {
        if (MachineCode.isUsed()) {
            BinaryKernels.run(BinaryKind.ADD, y, x, y, n);
            return;
        }
        int i = 0;
        for (; i <= n - L; i += L) {
            load(y + 4L * i).add(load(x + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            load(y + 4L * i, some).add(load(x + 4L * i, some)).intoMemorySegment(ALL, y + 4L * i, ORDER, some);
        }
    }
}
