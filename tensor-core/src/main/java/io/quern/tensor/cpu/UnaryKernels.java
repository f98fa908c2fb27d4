package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.op.Elementwise.UnaryKind;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * y = f(x) over packed F32. One loop a function, each in a method of its own: C2 compiles small loops well, and a switch
 * inside a loop would box every vector. Bound by memory for the simple functions, else by some 15 to 40 instructions a
 * vector.
 */
final class UnaryKernels {
    private UnaryKernels() {}

    static void run(UnaryKind kind, long x, long y, int n) {
        int whole = F.loopBound(n);
        switch (kind) {
            case NEG -> neg(x, y, whole);
            case EXP -> exp(x, y, whole);
            case LOG -> log(x, y, whole);
            case SQRT -> sqrt(x, y, whole);
            case RSQRT -> rsqrt(x, y, whole);
            case RECIPROCAL -> reciprocal(x, y, whole);
            case SQUARE -> square(x, y, whole);
            case ABS -> abs(x, y, whole);
            case RELU -> relu(x, y, whole);
            case SIGMOID -> sigmoid(x, y, whole);
            case TANH -> tanh(x, y, whole);
            case GELU -> gelu(x, y, whole);
            case GELU_TANH -> geluTanh(x, y, whole);
            case SILU -> silu(x, y, whole);
        }
        if (whole < n) {
            VectorMask<Float> rest = Lanes.first(n - whole);
            FloatVector last = UnaryMath.apply(kind, load(x + 4L * whole, rest));
            Lanes.store(last, y + 4L * whole, rest);
        }
    }

    private static void neg(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            v.neg().intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void exp(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            VectorMath.exp(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void log(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            VectorMath.log(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void sqrt(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            v.sqrt().intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void rsqrt(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector.broadcast(F, 1f).div(v.sqrt()).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void reciprocal(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector.broadcast(F, 1f).div(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void square(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            v.mul(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void abs(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            v.abs().intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void relu(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            UnaryMath.relu(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void sigmoid(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            VectorMath.sigmoid(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void tanh(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            VectorMath.tanh(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void gelu(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            UnaryMath.gelu(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void geluTanh(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            UnaryMath.geluTanh(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void silu(long x, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            UnaryMath.silu(v).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }
}
