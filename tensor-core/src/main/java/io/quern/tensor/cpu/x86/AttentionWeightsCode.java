package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Alu.AND;
import static io.quern.tensor.cpu.x86.Alu.CMP;
import static io.quern.tensor.cpu.x86.Condition.GREATER_OR_EQUAL;
import static io.quern.tensor.cpu.x86.Condition.LESS;
import static io.quern.tensor.cpu.x86.Gpr.*;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.xmm;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import java.lang.foreign.MemorySegment;

/**
 * What attention does to a row of scores between its products: the softmax, and its gradient. Rows have room for whole
 * vectors, of which the lanes behind the scores, and as many vectors more as asked for, become 0. The parameters are floats
 * at the given places, or addresses.
 */
public final class AttentionWeightsCode {
    /** What scores are multiplied by. */
    public static final int SCALE = 0;

    /** The largest product of {@link #SCALE} and a score; minus infinity if there is none above it. A result. */
    public static final int MAX = 4;

    /** The sum of exp(SCALE score - MAX). A result. */
    public static final int SUM = 8;

    /** The logarithm of the sum of exp(SCALE score). */
    public static final int LOG_SUM = 12;

    /** Address of the query's result. */
    public static final int OUT = 16;

    /** Address of its gradient. */
    public static final int OUT_GRADIENT = 24;

    /** Bytes of both, a multiple of 64. */
    public static final int SIZE = 32;

    /** Bytes of all parameters. */
    public static final int PARAMETERS = 64;

    /** The predicate of {@code VCMPPS} for operands that differ, or of which one is NaN. */
    private static final int NOT_EQUAL = 4;

    private static final Gpr[] SAVED = {RBX, R12, R15};
    private static final int[] SUMS = {0};
    private static final Mask DEFINED = Mask.k(3);
    private static final Vec FACTOR = zmm(16);
    private static final Vec SHIFT = zmm(17);
    private static final Vec DELTA = zmm(18);

    private final Assembler a = new Assembler();
    private final Constants constants = new Constants();
    private final MathCode math = new MathCode(a, constants);
    private final RowLoop loop = new RowLoop(a, RowLoop.SUMS);

    private AttentionWeightsCode() {}

    /**
     * Writes {@code (parameters, row, scores, bytes)}: the scores become weights, whose sum is 1; or 0, if all scores are
     * minus infinity. Of the row's bytes, a multiple of 64, those behind the scores become 0.
     */
    public static MemorySegment softmax() {
        AttentionWeightsCode code = new AttentionWeightsCode();
        code.begin(RDX);
        code.softmaxRow();
        code.zero(RSI, RCX);
        code.end();
        return MachineCode.install(code.a);
    }

    /**
     * Writes {@code (parameters, row, gradients, scores, bytes)}: the scores become weights p again, and the gradients of
     * the weights become those of the scores before they were scaled, SCALE p (gradient - delta), where delta is the dot
     * product of the query's result and its gradient. Of both rows' bytes, a multiple of 64, those behind the scores
     * become 0.
     */
    public static MemorySegment gradient() {
        AttentionWeightsCode code = new AttentionWeightsCode();
        code.begin(RCX);
        code.delta();
        code.gradientRow();
        code.zero(RSI, R8);
        code.zero(RDX, R8);
        code.end();
        return MachineCode.install(code.a);
    }

    private void begin(Gpr scores) {
        a.save(SAVED);
        loop.begin(scores, constants);
        a.op(VBROADCASTSS, FACTOR, at(RDI, SCALE));
    }

    private void end() {
        a.restoreAndReturn(SAVED);
        constants.write(a);
    }

    private void softmaxRow() {
        for (int i = 0; i < RowLoop.SUMS; i++) {
            a.op(VBROADCASTSS, zmm(i), constants.at(Float.NEGATIVE_INFINITY));
        }
        loop.run(p -> {
            Vec v = zmm(4 + p.vector());
            a.op(VMULPS, p.load(v), FACTOR, p.in(RSI));
            a.op(VMOVUPS, p.in(RSI), p.keep(v));
            a.op(VMAXPS, p.keep(zmm(p.vector())), zmm(p.vector()), v);
        });
        RowLoop.fold(a, VMAXPS, 0);
        a.op(VMOVSS, at(RDI, MAX), xmm(0));
        a.op(VBROADCASTSS, SHIFT, xmm(0));
        math.zeroWhereMinusInfinity(SHIFT);
        loop.zero(SUMS);
        loop.run(p -> {
            Vec v = zmm(4 + p.vector());
            a.op(VMOVUPS, p.load(v), p.in(RSI));
            a.op(VSUBPS, v, v, SHIFT);
            math.expToNormal(v);
            a.op(VMOVUPS, p.in(RSI), p.keep(v));
            a.op(VADDPS, p.keep(zmm(p.vector())), zmm(p.vector()), v);
        });
        RowLoop.fold(a, VADDPS, 0);
        a.op(VMOVSS, at(RDI, SUM), xmm(0));
        a.op(VBROADCASTSS, SHIFT, xmm(0));
        a.op(VCMPPS, DEFINED, SHIFT, constants.all(0), NOT_EQUAL);
        a.op(VBROADCASTSS, FACTOR, constants.at(1));
        a.op(VDIVPS, FACTOR.zeroing(DEFINED), FACTOR, SHIFT);
        loop.run(p -> {
            Vec v = zmm(4 + p.vector());
            a.op(VMULPS, p.load(v), FACTOR, p.in(RSI));
            a.op(VMOVUPS, p.in(RSI), v);
        });
    }

    private void delta() {
        Label next = new Label();
        a.mov(R9, at(RDI, OUT));
        a.mov(R12, at(RDI, OUT_GRADIENT));
        a.mov(RAX, 0);
        loop.zero(SUMS);
        a.bind(next);
        a.op(VMOVUPS, zmm(4), at(R9, RAX, 1));
        a.op(VFMADD231PS, zmm(0), zmm(4), at(R12, RAX, 1));
        a.op(ADD, RAX, 64);
        a.op(CMP, RAX, at(RDI, SIZE));
        a.jump(LESS, next);
        RowLoop.fold(a, VADDPS, 0);
        a.op(VBROADCASTSS, DELTA, xmm(0));
        a.op(VBROADCASTSS, SHIFT, at(RDI, LOG_SUM));
    }

    private void gradientRow() {
        loop.run(p -> {
            Vec v = zmm(4 + p.vector());
            Vec d = zmm(8 + p.vector());
            a.op(VMULPS, p.load(v), FACTOR, p.in(RSI));
            a.op(VSUBPS, v, v, SHIFT);
            math.expToNormal(v);
            a.op(VMOVUPS, p.load(v), v);
            a.op(VMOVUPS, p.in(RSI), v);
            a.op(VMOVUPS, p.load(d), p.in(RDX));
            a.op(VSUBPS, d, d, DELTA);
            a.op(VMULPS, d, d, v);
            a.op(VMULPS, p.load(d), d, FACTOR);
            a.op(VMOVUPS, p.in(RDX), d);
        });
    }

    /** Zeros from the first whole vector behind the scores to a number of bytes. */
    private void zero(Gpr row, Gpr bytes) {
        Label next = new Label();
        Label end = new Label();
        a.op(VXORPS, xmm(0), xmm(0), xmm(0));
        a.lea(RAX, at(RowLoop.BYTES, 63));
        a.op(AND, RAX, -64);
        a.op(CMP, RAX, bytes);
        a.jump(GREATER_OR_EQUAL, end);
        a.bind(next);
        a.op(VMOVUPS, at(row, RAX, 1), zmm(0));
        a.op(ADD, RAX, 64);
        a.op(CMP, RAX, bytes);
        a.jump(LESS, next);
        a.bind(end);
    }
}
