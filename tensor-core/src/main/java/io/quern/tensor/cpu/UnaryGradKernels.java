package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.op.Elementwise.UnaryKind;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** dx = f'(x) dy over packed F32; a loop a function, as in {@link UnaryKernels}. */
final class UnaryGradKernels {
    private UnaryGradKernels() {}

    static void run(UnaryKind kind, long x, long dy, long dx, int n) {
        int whole = F.loopBound(n);
        switch (kind) {
            case NEG -> neg(dy, dx, whole);
            case EXP -> exp(x, dy, dx, whole);
            case LOG -> log(x, dy, dx, whole);
            case SQRT -> sqrt(x, dy, dx, whole);
            case RSQRT -> rsqrt(x, dy, dx, whole);
            case RECIPROCAL -> reciprocal(x, dy, dx, whole);
            case SQUARE -> square(x, dy, dx, whole);
            case ABS -> abs(x, dy, dx, whole);
            case RELU -> relu(x, dy, dx, whole);
            case SIGMOID -> sigmoid(x, dy, dx, whole);
            case TANH -> tanh(x, dy, dx, whole);
            case GELU -> gelu(x, dy, dx, whole);
            case GELU_TANH -> geluTanh(x, dy, dx, whole);
            case SILU -> silu(x, dy, dx, whole);
        }
        if (whole < n) {
            VectorMask<Float> rest = Lanes.first(n - whole);
            long at = 4L * whole;
            Lanes.store(UnaryMath.gradient(kind, load(x + at, rest), load(dy + at, rest)), dx + at, rest);
        }
    }

    private static void neg(long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector d = load(dy + 4L * i);
            d.neg().intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void exp(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            VectorMath.exp(v).mul(d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void log(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            d.div(v).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void sqrt(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            d.mul(0.5f).div(v.sqrt()).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void rsqrt(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            d.mul(-0.5f).div(v.sqrt().mul(v)).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void reciprocal(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            d.neg().div(v.mul(v)).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void square(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            v.add(v).mul(d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void abs(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            UnaryMath.absGradient(v, d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void relu(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            UnaryMath.reluGradient(v, d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void sigmoid(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            UnaryMath.sigmoidGradient(v, d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void tanh(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            UnaryMath.tanhGradient(v, d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void gelu(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            UnaryMath.geluGradient(v, d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void geluTanh(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            UnaryMath.geluTanhGradient(v, d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }

    private static void silu(long x, long dy, long dx, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = load(x + 4L * i);
            FloatVector d = load(dy + 4L * i);
            UnaryMath.siluGradient(v, d).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
    }
}
