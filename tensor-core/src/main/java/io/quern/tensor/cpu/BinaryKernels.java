package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.cpu.x86.BinaryCode;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Elementwise.BinaryKind;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** y = f(a, b) over runs of F32; a loop a function, as in {@link UnaryKernels}, or {@link BinaryCode}. Bound by memory. */
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
        if (inMachineCode(kind)) {
            NativeCall.call(RowCode.binary(kind, false), a, b, y, n, 1, 0);
            return;
        }
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

    /**
     * {@code rows} rows of a and y, which are packed, with rows of b that lie {@code step} numbers apart; 0 for one and the
     * same.
     */
    static void rows(BinaryKind kind, long a, long b, long step, long y, long rows, int columns) {
        if (inMachineCode(kind)) {
            NativeCall.call(RowCode.binary(kind, false), a, b, y, columns, rows, 4 * step);
            return;
        }
        for (long r = 0; r < rows; r++) {
            run(kind, a + 4 * r * columns, b + 4 * r * step, y + 4 * r * columns, columns);
        }
    }

    private static boolean inMachineCode(BinaryKind kind) {
        return MachineCode.isUsed() && BinaryCode.has(kind);
    }

    /** The second operand is one number. */
    static void run(BinaryKind kind, long a, float b, long y, int n) {
        if (inMachineCode(kind)) {
            NativeCall.call(RowCode.binary(kind, true), a, Float.floatToRawIntBits(b), y, n, 1, 0);
            return;
        }
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
