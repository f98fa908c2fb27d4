package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.op.Elementwise.BinaryKind;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** y = f(a, b) over runs of F32; a loop a function, as in {@link UnaryKernels}. Bound by memory. */
final class BinaryKernels {
    private BinaryKernels() {}

    private static FloatVector apply(BinaryKind kind, FloatVector a, FloatVector b) {
        return switch (kind) {
            case ADD -> a.add(b);
            case SUB -> a.sub(b);
            case MUL -> a.mul(b);
            case DIV -> a.div(b);
            case MAX -> a.max(b);
            case MIN -> a.min(b);
        };
    }

    /** Both operands are runs. */
    static void run(BinaryKind kind, long a, long b, long y, int n) {
        int whole = F.loopBound(n);
        switch (kind) {
            case ADD -> add(a, b, y, whole);
            case SUB -> sub(a, b, y, whole);
            case MUL -> mul(a, b, y, whole);
            case DIV -> div(a, b, y, whole);
            case MAX -> max(a, b, y, whole);
            case MIN -> min(a, b, y, whole);
        }
        if (whole < n) {
            VectorMask<Float> rest = Lanes.first(n - whole);
            long at = 4L * whole;
            Lanes.store(apply(kind, load(a + at, rest), load(b + at, rest)), y + at, rest);
        }
    }

    /** The second operand is one number. */
    static void run(BinaryKind kind, long a, float b, long y, int n) {
        int whole = F.loopBound(n);
        switch (kind) {
            case ADD -> add(a, b, y, whole);
            case SUB -> sub(a, b, y, whole);
            case MUL -> mul(a, b, y, whole);
            case DIV -> div(a, b, y, whole);
            case MAX -> max(a, b, y, whole);
            case MIN -> min(a, b, y, whole);
        }
        if (whole < n) {
            VectorMask<Float> rest = Lanes.first(n - whole);
            long at = 4L * whole;
            Lanes.store(apply(kind, load(a + at, rest), Lanes.broadcast(b)), y + at, rest);
        }
    }

    /** The first operand is one number. */
    static void run(BinaryKind kind, float a, long b, long y, int n) {
        switch (kind) {
            case ADD, MUL, MAX, MIN -> run(kind, b, a, y, n);
            case SUB, DIV -> {
                int whole = F.loopBound(n);
                if (kind == BinaryKind.SUB) {
                    sub(a, b, y, whole);
                } else {
                    div(a, b, y, whole);
                }
                if (whole < n) {
                    VectorMask<Float> rest = Lanes.first(n - whole);
                    long at = 4L * whole;
                    Lanes.store(apply(kind, Lanes.broadcast(a), load(b + at, rest)), y + at, rest);
                }
            }
        }
    }

    private static void add(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).add(load(b + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void sub(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).sub(load(b + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void mul(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).mul(load(b + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void div(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).div(load(b + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void max(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).max(load(b + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void min(long a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).min(load(b + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void add(long a, float b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).add(b).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void sub(long a, float b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).sub(b).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void mul(long a, float b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).mul(b).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void div(long a, float b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).div(b).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void max(long a, float b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).max(b).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void min(long a, float b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            load(a + 4L * i).min(b).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void sub(float a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector.broadcast(F, a).sub(load(b + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }

    private static void div(float a, long b, long y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector.broadcast(F, a).div(load(b + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
    }
}
