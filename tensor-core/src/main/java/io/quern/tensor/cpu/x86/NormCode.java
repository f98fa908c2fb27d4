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
 * Layer norm, or RMS norm, of packed rows, of x or of the sum of x and another tensor, which is written too: {@code
 * (parameters)}. The mean comes first, then the variance from the deviations; both are finished in float64. The parameters are
 * words of 64 bits at the given places, addresses where nothing else is said. There is at least one row, of at least one column.
 */
public final class NormCode {
    public static final int X = 0;

    /** What is added to x. */
    public static final int ADDED = 8;

    /** Where the sum goes. */
    public static final int SUM = 16;

    public static final int Y = 24;
    public static final int WEIGHT = 32;

    /** Of a layer norm. */
    public static final int BIAS = 40;

    /** A float for each row, of a layer norm. */
    public static final int MEANS = 48;

    /** A float for each row. */
    public static final int RSTDS = 56;

    /** A number. */
    public static final int ROWS = 64;

    /** A number. */
    public static final int COLUMNS = 72;

    /** A float64: the number of columns. */
    public static final int COUNT = 80;

    /** A float64. */
    public static final int EPSILON = 88;

    /** Bytes of all parameters. */
    public static final int PARAMETERS = 96;

    private static final Gpr[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    private static final Vec MEAN = zmm(16);
    private static final Vec RSTD = zmm(17);
    private static final Vec TOTAL = xmm(8);
    private static final int[] TOTALS = {8};
    private static final int[] SUMS = {0};

    private final Assembler a = new Assembler();
    private final Constants constants = new Constants();
    private final RowLoop loop = new RowLoop(a, RowLoop.SUMS);
    private final boolean rms;
    private final boolean added;

    private NormCode(boolean rms, boolean added) {
        this.rms = rms;
        this.added = added;
    }

    /** Writes the function: an RMS norm or a layer norm, with a tensor added to x or not. */
    public static MemorySegment install(boolean rms, boolean added) {
        NormCode code = new NormCode(rms, added);
        code.write();
        return MachineCode.install(code.a);
    }

    // rdi parameters; r8 x and then the sum; r9 what is added, rsi the sum, rdx y, rcx weight, rbp bias, r12 means, r13
    // rstds,
    // r14 rows left
    private void write() {
        a.save(SAVED);
        a.mov(RCX, at(RDI, COLUMNS));
        loop.begin(RCX, constants);
        a.mov(R8, at(RDI, X));
        a.mov(R9, at(RDI, ADDED));
        a.mov(RSI, at(RDI, SUM));
        a.mov(RDX, at(RDI, Y));
        a.mov(RCX, at(RDI, WEIGHT));
        a.mov(RBP, at(RDI, BIAS));
        a.mov(R12, at(RDI, MEANS));
        a.mov(R13, at(RDI, RSTDS));
        a.mov(R14, at(RDI, ROWS));
        Label row = new Label();
        a.bind(row);
        row(added ? RSI : R8);
        a.op(ADD, R8, RowLoop.BYTES);
        if (added) {
            a.op(ADD, R9, RowLoop.BYTES);
            a.op(ADD, RSI, RowLoop.BYTES);
        }
        a.op(ADD, RDX, RowLoop.BYTES);
        a.decrement(R14);
        a.jump(NOT_EQUAL, row);
        a.restoreAndReturn(SAVED);
        constants.write(a);
    }

    /** One row, normalised from {@code x}. */
    private void row(Gpr x) {
        if (!rms) {
            sumOfElements();
            a.op(VDIVSD, TOTAL, TOTAL, at(RDI, COUNT));
            toAll(MEAN, R12);
        }
        squares(x);
        a.op(VDIVSD, TOTAL, TOTAL, at(RDI, COUNT));
        a.op(VADDSD, TOTAL, TOTAL, at(RDI, EPSILON));
        a.op(VSQRTSD, TOTAL, TOTAL, TOTAL);
        a.op(VMOVSS, xmm(9), constants.at(1));
        a.op(VCVTSS2SD, xmm(9), xmm(9), xmm(9));
        a.op(VDIVSD, TOTAL, xmm(9), TOTAL);
        toAll(RSTD, R13);
        loop.run(p -> {
            Vec v = zmm(4 + p.vector());
            a.op(VMOVUPS, p.load(v), p.in(x));
            if (rms) {
                a.op(VMULPS, v, v, RSTD);
                a.op(VMULPS, p.load(v), v, p.in(RCX));
            } else {
                a.op(VSUBPS, v, v, MEAN);
                a.op(VMULPS, v, v, RSTD);
                Vec w = zmm(12 + p.vector());
                a.op(VMOVUPS, p.load(w), p.in(RCX));
                a.op(VFMADD213PS, p.load(v), w, p.in(RBP));
            }
            a.op(VMOVUPS, p.in(RDX), p.keep(v));
        });
    }

    /** The float64 in {@link #TOTAL} as a float, to memory, which moves on, and to all lanes. */
    private void toAll(Vec lanes, Gpr memory) {
        a.op(VCVTSD2SS, TOTAL, TOTAL, TOTAL);
        a.op(VMOVSS, at(memory), TOTAL);
        a.op(ADD, memory, Float.BYTES);
        a.op(VBROADCASTSS, lanes, TOTAL);
    }

    /** Of x, or of the sum, which is written on the way. */
    private void sumOfElements() {
        loop.sum(TOTALS, SUMS, p -> {
            Vec sum = zmm(p.vector());
            if (added) {
                addOther(p);
                a.op(VADDPS, p.keep(sum), sum, zmm(4 + p.vector()));
            } else {
                a.op(VADDPS, p.keep(sum), sum, p.in(R8));
            }
        });
    }

    private void addOther(RowLoop.Part p) {
        Vec v = zmm(4 + p.vector());
        a.op(VMOVUPS, p.load(v), p.in(R8));
        a.op(VADDPS, p.load(v), v, p.in(R9));
        a.op(VMOVUPS, p.in(RSI), p.keep(v));
    }

    private void squares(Gpr x) {
        loop.sum(TOTALS, SUMS, p -> {
            Vec v = zmm(4 + p.vector());
            if (rms && added) {
                addOther(p);
            } else {
                a.op(VMOVUPS, p.load(v), p.in(x));
            }
            if (!rms) {
                a.op(VSUBPS, p.load(v), v, MEAN);
            }
            a.op(VFMADD231PS, zmm(p.vector()), v, v);
        });
    }
}
