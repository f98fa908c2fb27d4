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
 * Gradients of layer norms, or RMS norms, over packed rows: {@code (parameters)}. With h = (x - mean) * rstd and g = weight * dy:
 * dx = other + rstd * (g - mean(g) - h * mean(g * h)), dWeight += dy * h, dBias += dy; an RMS norm has no mean and no bias. The
 * parameters are words of 64 bits at the given places, addresses where nothing else is said; the number of rows is lost. There is
 * at least one row, of at least one column.
 */
public final class NormGradCode {
    public static final int X = 0;
    public static final int DY = 8;
    public static final int DX = 16;
    public static final int WEIGHT = 24;

    /** Read where the function was written for it. */
    public static final int OTHER = 32;

    public static final int D_WEIGHT = 40;

    /** Of a layer norm. */
    public static final int D_BIAS = 48;

    /** A float for each row, of a layer norm. */
    public static final int MEANS = 56;

    /** A float for each row. */
    public static final int RSTDS = 64;

    /** A number. */
    public static final int ROWS = 72;

    /** A number. */
    public static final int COLUMNS = 80;

    /** A float64: the number of columns. */
    public static final int COUNT = 88;

    /** Bytes of all parameters. */
    public static final int PARAMETERS = 96;

    private static final Gpr[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    private static final Vec MEAN = zmm(24);
    private static final Vec RSTD = zmm(25);
    private static final Vec MEAN_G = zmm(26);
    private static final Vec MEAN_GH = zmm(27);

    private final Assembler a = new Assembler();
    private final Constants constants = new Constants();
    private final RowLoop loop = new RowLoop(a, RowLoop.SUMS);
    private final boolean rms;
    private final boolean other;

    private NormGradCode(boolean rms, boolean other) {
        this.rms = rms;
        this.other = other;
    }

    /** Writes the function: of an RMS norm or a layer norm, with another gradient that is added or not. */
    public static MemorySegment install(boolean rms, boolean other) {
        NormGradCode code = new NormGradCode(rms, other);
        code.write();
        return MachineCode.install(code.a);
    }

    // rdi parameters; r8 x, r9 dy, rdx dx, rcx weight, rsi other, rbp dWeight, r12 dBias, r13 means, r14 rstds
    private void write() {
        a.save(SAVED);
        a.mov(RCX, at(RDI, COLUMNS));
        loop.begin(RCX, constants);
        a.mov(R8, at(RDI, X));
        a.mov(R9, at(RDI, DY));
        a.mov(RDX, at(RDI, DX));
        a.mov(RCX, at(RDI, WEIGHT));
        a.mov(RSI, at(RDI, OTHER));
        a.mov(RBP, at(RDI, D_WEIGHT));
        a.mov(R12, at(RDI, D_BIAS));
        a.mov(R13, at(RDI, MEANS));
        a.mov(R14, at(RDI, RSTDS));
        Label row = new Label();
        a.bind(row);
        sums();
        input();
        for (Gpr r : new Gpr[] {R8, R9, RDX, RSI}) {
            a.op(ADD, r, RowLoop.BYTES);
        }
        a.mov(RAX, at(RDI, ROWS));
        a.decrement(RAX);
        a.mov(at(RDI, ROWS), RAX);
        a.jump(NOT_EQUAL, row);
        a.restoreAndReturn(SAVED);
        constants.write(a);
    }

    /** h = (x - mean) * rstd, 0 beyond the row. */
    private Vec normalised(RowLoop.Part p) {
        Vec h = zmm(12 + p.vector());
        a.op(VMOVUPS, p.load(h), p.in(R8));
        if (!rms) {
            a.op(VSUBPS, h, h, MEAN);
        }
        a.op(VMULPS, p.load(h), h, RSTD);
        return h;
    }

    /** The means of g and g * h, and what goes to the gradients of weight and bias. */
    private void sums() {
        if (!rms) {
            a.op(VBROADCASTSS, MEAN, at(R13));
            a.op(ADD, R13, Float.BYTES);
        }
        a.op(VBROADCASTSS, RSTD, at(R14));
        a.op(ADD, R14, Float.BYTES);
        int[] totals = rms ? new int[] {8} : new int[] {8, 9};
        loop.sum(totals, rms ? new int[] {0} : new int[] {0, 4}, p -> {
            Vec d = zmm(16 + p.vector());
            Vec g = zmm(20 + p.vector());
            Vec h = normalised(p);
            a.op(VMOVUPS, p.load(d), p.in(R9));
            a.op(VMULPS, p.load(g), d, p.in(RCX));
            a.op(VFMADD231PS, zmm(p.vector()), g, h);
            a.op(VFMADD213PS, p.load(h), d, p.in(RBP));
            a.op(VMOVUPS, p.in(RBP), p.keep(h));
            if (!rms) {
                a.op(VADDPS, zmm(4 + p.vector()), zmm(4 + p.vector()), g);
                a.op(VADDPS, p.load(d), d, p.in(R12));
                a.op(VMOVUPS, p.in(R12), p.keep(d));
            }
        });
        mean(8, MEAN_GH);
        if (!rms) {
            mean(9, MEAN_G);
        }
    }

    private void mean(int total, Vec lanes) {
        a.op(VDIVSD, xmm(total), xmm(total), at(RDI, COUNT));
        a.op(VCVTSD2SS, xmm(total), xmm(total), xmm(total));
        a.op(VBROADCASTSS, lanes, xmm(total));
    }

    private void input() {
        loop.run(p -> {
            Vec g = zmm(20 + p.vector());
            Vec h = normalised(p);
            a.op(VMOVUPS, p.load(g), p.in(R9));
            a.op(VMULPS, p.load(g), g, p.in(RCX));
            if (!rms) {
                a.op(VSUBPS, g, g, MEAN_G);
            }
            a.op(VFNMADD231PS, g, h, MEAN_GH);
            a.op(VMULPS, g, g, RSTD);
            if (other) {
                a.op(VADDPS, p.load(g), g, p.in(RSI));
            }
            a.op(VMOVUPS, p.in(RDX), p.keep(g));
        });
    }
}
