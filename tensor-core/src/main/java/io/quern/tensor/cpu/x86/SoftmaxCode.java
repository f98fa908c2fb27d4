package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Condition.NOT_EQUAL;
import static io.quern.tensor.cpu.x86.Gpr.*;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.xmm;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import java.lang.foreign.MemorySegment;

/**
 * Softmax, its logarithm and the loss on it, over rows of at least one column; there is at least one row. The largest element
 * leaves NaN out, which comes to all of its row by the sum. Exponentials that would be subnormal are 0.
 */
public final class SoftmaxCode {
    /** Bytes for each row of what {@link #statistics} writes: the largest element and the sum, as float64. */
    public static final int STATISTICS = 16;

    /** Bytes for each row of what {@link #logarithms} and {@link #lossGradient} read. */
    public static final int NUMBERS = 16;

    private static final Gpr[] SAVED = {RBX, RBP, R12, R15};

    private static final Vec SHIFT = zmm(10);
    private static final Vec LARGEST = zmm(9);
    private static final Vec TOTAL = xmm(8);
    private static final int[] TOTALS = {8};
    private static final int[] SUMS = {0};

    private final Assembler a = new Assembler();
    private final Constants constants = new Constants();
    private final MathCode math = new MathCode(a, constants);
    private final RowLoop loop = new RowLoop(a, RowLoop.SUMS);

    private SoftmaxCode() {}

    /** Writes what goes around the code for a row, in which rsi counts rows and rdx columns at first. */
    private MemorySegment write(Runnable row) {
        return write(() -> {}, row);
    }

    private MemorySegment write(Runnable before, Runnable row) {
        Label next = new Label();
        a.save(SAVED);
        loop.begin(RDX, constants);
        before.run();
        a.bind(next);
        row.run();
        a.decrement(RSI);
        a.jump(NOT_EQUAL, next);
        a.restoreAndReturn(SAVED);
        constants.write(a);
        return MachineCode.install(a);
    }

    private void advance(Gpr... rows) {
        for (Gpr r : rows) {
            a.op(ADD, r, RowLoop.BYTES);
        }
    }

    private static Vec value(RowLoop.Part p) {
        return zmm(4 + p.vector());
    }

    /** {@code (x, rows, columns, y)}: softmax of packed rows. y may be x. */
    public static MemorySegment softmax() {
        SoftmaxCode code = new SoftmaxCode();
        return code.write(code::softmaxRow);
    }

    private void softmaxRow() {
        minusInfinity(0, RowLoop.SUMS);
        loop.run(this::peak);
        RowLoop.fold(a, VMAXPS, 0);
        a.op(VBROADCASTSS, SHIFT, xmm(0));
        loop.sum(TOTALS, SUMS, p -> {
            exponential(p);
            a.op(VMOVUPS, p.in(RCX), p.keep(value(p)));
        });
        inverse(TOTAL);
        a.op(VCVTSD2SS, TOTAL, TOTAL, TOTAL);
        a.op(VBROADCASTSS, zmm(8), TOTAL);
        loop.run(p -> {
            a.op(VMULPS, p.load(value(p)), zmm(8), p.in(RCX));
            a.op(VMOVUPS, p.in(RCX), p.keep(value(p)));
        });
        advance(RDI, RCX);
    }

    private void minusInfinity(int from, int to) {
        for (int i = from; i < to; i++) {
            a.op(VBROADCASTSS, zmm(i), constants.at(Float.NEGATIVE_INFINITY));
        }
    }

    /** Where one operand is NaN, VMAXPS gives the second. */
    private void peak(RowLoop.Part p) {
        a.op(VMOVUPS, p.load(value(p)), p.in(RDI));
        a.op(VMAXPS, p.keep(zmm(p.vector())), value(p), zmm(p.vector()));
    }

    /** e^(x - SHIFT), which is added to the sum of its vector. */
    private void exponential(RowLoop.Part p) {
        Vec v = value(p);
        a.op(VMOVUPS, p.load(v), p.in(RDI));
        a.op(VSUBPS, v, v, SHIFT);
        math.expToNormal(v);
        a.op(VADDPS, p.keep(zmm(p.vector())), zmm(p.vector()), v);
    }

    private void inverse(Vec x) {
        a.op(VMOVSS, xmm(11), constants.at(1));
        a.op(VCVTSS2SD, xmm(11), xmm(11), xmm(11));
        a.op(VDIVSD, x, xmm(11), x);
    }

    /**
     * {@code (x, rows, columns, bytes between rows of x, out)}: the largest element of each row and the sum of e^(x - largest).
     * A row is read from memory once: each block while it is in the first-level cache, and the sum is scaled when the largest
     * grows. As long as all are -inf, e^x are summed.
     */
    public static MemorySegment statistics() {
        SoftmaxCode code = new SoftmaxCode();
        return code.write(code::statisticsRow);
    }

    private void statisticsRow() {
        Vec shrink = zmm(11);
        a.op(VXORPS, TOTAL, TOTAL, TOTAL);
        minusInfinity(LARGEST.number(), LARGEST.number() + 1);
        loop.blocks(RBP, () -> {
            minusInfinity(0, RowLoop.SUMS);
            loop.over(RBP, this::peak);
            RowLoop.fold(a, VMAXPS, 0);
            a.op(VMOVUPS, shrink, LARGEST);
            a.op(VMAXPS, xmm(0), xmm(0), LARGEST.x());
            a.op(VBROADCASTSS, LARGEST, xmm(0));
            a.op(VMOVUPS, SHIFT, LARGEST);
            math.zeroWhereMinusInfinity(SHIFT);
            a.op(VSUBPS, shrink, shrink, SHIFT);
            math.expToNormal(shrink);
            a.op(VCVTSS2SD, shrink.x(), shrink.x(), shrink.x());
            a.op(VMULSD, TOTAL, TOTAL, shrink.x());
            loop.zero(SUMS);
            loop.over(RBP, this::exponential);
            loop.add(TOTALS, SUMS);
        });
        a.op(VCVTSS2SD, LARGEST.x(), LARGEST.x(), LARGEST.x());
        a.op(VMOVSD, at(R8), LARGEST.x());
        a.op(VMOVSD, at(R8, 8), TOTAL);
        a.op(ADD, R8, STATISTICS);
        a.op(ADD, RDI, RCX);
    }

    /** {@code (x, rows, columns, y, numbers)}: y = x - u - v of packed rows, with two floats u and v for each. y may be x. */
    public static MemorySegment logarithms() {
        SoftmaxCode code = new SoftmaxCode();
        return code.write(() -> {
            code.a.op(VBROADCASTSS, zmm(8), at(R8));
            code.a.op(VBROADCASTSS, zmm(9), at(R8, 4));
            code.loop.run(p -> {
                code.a.op(VMOVUPS, p.load(value(p)), p.in(RDI));
                code.a.op(VSUBPS, value(p), value(p), zmm(8));
                code.a.op(VSUBPS, value(p), value(p), zmm(9));
                code.a.op(VMOVUPS, p.in(RCX), p.keep(value(p)));
            });
            code.a.op(ADD, R8, NUMBERS);
            code.advance(RDI, RCX);
        });
    }

    /** {@code (y, rows, columns, dy, dx)}: dx = y (dy - sum(y dy)) of packed rows. dx may be dy or y. */
    public static MemorySegment gradient() {
        SoftmaxCode code = new SoftmaxCode();
        Assembler a = code.a;
        return code.write(() -> {
            code.loop.sum(TOTALS, SUMS, p -> {
                a.op(VMOVUPS, p.load(value(p)), p.in(RDI));
                a.op(VFMADD231PS, p.keep(zmm(p.vector())), value(p), p.in(RCX));
            });
            a.op(VCVTSD2SS, TOTAL, TOTAL, TOTAL);
            a.op(VBROADCASTSS, zmm(8), TOTAL);
            code.loop.run(p -> {
                a.op(VMOVUPS, p.load(value(p)), p.in(RCX));
                a.op(VSUBPS, value(p), value(p), zmm(8));
                a.op(VMULPS, p.load(value(p)), value(p), p.in(RDI));
                a.op(VMOVUPS, p.in(R8), p.keep(value(p)));
            });
            code.advance(RDI, RCX, R8);
        });
    }

    /** {@code (y, rows, columns, dy, dx)}: dx = dy - e^y sum(dy) of packed rows. dx may be dy or y. */
    public static MemorySegment logGradient() {
        SoftmaxCode code = new SoftmaxCode();
        Assembler a = code.a;
        return code.write(() -> {
            code.loop.sum(TOTALS, SUMS, p -> a.op(VADDPS, p.keep(zmm(p.vector())), zmm(p.vector()), p.in(RCX)));
            a.op(VCVTSD2SS, TOTAL, TOTAL, TOTAL);
            a.op(VBROADCASTSS, zmm(8), TOTAL);
            code.loop.run(p -> {
                Vec d = zmm(12 + p.vector());
                a.op(VMOVUPS, p.load(value(p)), p.in(RDI));
                code.math.exp(value(p));
                a.op(VMOVUPS, p.load(d), p.in(RCX));
                a.op(VFNMADD231PS, d, value(p), zmm(8));
                a.op(VMOVUPS, p.in(R8), p.keep(d));
            });
            code.advance(RDI, RCX, R8);
        });
    }

    /**
     * {@code (x, rows, columns, bytes between rows of x, dx, numbers)}: dx = a e^(x - lse) + b w; dx is packed. The address of w
     * fills the first of the numbers, then come floats lse, a and b for each row. Without {@code weighted}, w is 1 everywhere.
     */
    public static MemorySegment lossGradient(boolean weighted) {
        SoftmaxCode code = new SoftmaxCode();
        Assembler a = code.a;
        Vec factor = zmm(8);
        Vec b = zmm(9);
        Runnable before = () -> {
            a.mov(R12, at(R9));
            a.op(ADD, R9, NUMBERS);
        };
        return code.write(before, () -> {
            a.op(VBROADCASTSS, SHIFT, at(R9));
            a.op(VBROADCASTSS, factor, at(R9, 4));
            a.op(VBROADCASTSS, b, at(R9, 8));
            code.loop.run(p -> {
                Vec v = value(p);
                Vec w = zmm(12 + p.vector());
                a.op(VMOVUPS, p.load(v), p.in(RDI));
                a.op(VSUBPS, v, v, SHIFT);
                code.math.expToNormal(v);
                if (weighted) {
                    a.op(VMULPS, p.load(w), b, p.in(R12));
                }
                a.op(VFMADD213PS, v, factor, weighted ? w : b);
                a.op(VMOVUPS, p.in(R8), p.keep(v));
            });
            a.op(ADD, R9, NUMBERS);
            a.op(ADD, RDI, RCX);
            code.advance(R8);
        });
    }
}
