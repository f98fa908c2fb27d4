package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Condition.NOT_EQUAL;
import static io.quern.tensor.cpu.x86.Gpr.R8;
import static io.quern.tensor.cpu.x86.Gpr.R9;
import static io.quern.tensor.cpu.x86.Gpr.RBX;
import static io.quern.tensor.cpu.x86.Gpr.RCX;
import static io.quern.tensor.cpu.x86.Gpr.RDI;
import static io.quern.tensor.cpu.x86.Gpr.RDX;
import static io.quern.tensor.cpu.x86.Gpr.RSI;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.VMOVUPS;

import io.quern.tensor.op.Elementwise.BinaryKind;
import java.lang.foreign.MemorySegment;

/**
 * y = a f b over rows, for a sum, a difference, a product or a quotient: {@code (a, b, y, columns, rows, bytes between the rows
 * of b)}. The rows of a and y are packed, those of b may be one and the same (0 bytes); or b is the bits of one number. There is
 * at least one row. y may be a, and b where it is packed.
 */
public final class BinaryCode {
    private static final int SIDE = 4;
    private static final Vec NUMBER = zmm(SIDE);

    private BinaryCode() {}

    /** Whether there is a function: not for MAX and MIN, whose rules for NaN and -0 are not those of the instructions. */
    public static boolean has(BinaryKind kind) {
        return kind != BinaryKind.MAX && kind != BinaryKind.MIN;
    }

    private static VectorOp instruction(BinaryKind kind) {
        return switch (kind) {
            case ADD -> VectorOp.VADDPS;
            case SUB -> VectorOp.VSUBPS;
            case MUL -> VectorOp.VMULPS;
            case DIV -> VectorOp.VDIVPS;
            case MAX, MIN -> throw new IllegalArgumentException("no machine code for " + kind);
        };
    }

    /** Writes the function, for a b that is {@code one} number or rows. */
    public static MemorySegment install(BinaryKind kind, boolean one) {
        Assembler a = new Assembler();
        return install(a, one ? RSI : null, (p, v) -> a.op(instruction(kind), p.load(v), v, one ? NUMBER : p.in(RSI)));
    }

    /** Writes y = a + factor b: {@code (a, b, y, columns, 1, bits of the factor)}. */
    public static MemorySegment accumulate() {
        Assembler a = new Assembler();
        return install(a, R9, (p, v) -> a.op(VectorOp.VFMADD231PS, p.load(v), NUMBER, p.in(RSI)));
    }

    /** What is done to a vector of a. */
    private interface Step {
        void write(RowLoop.Part part, Vec v);
    }

    private static MemorySegment install(Assembler a, Gpr number, Step step) {
        Constants constants = new Constants();
        RowLoop loop = new RowLoop(a, SIDE);
        Label row = new Label();
        a.push(RBX);
        loop.begin(RCX, constants);
        if (number != null) {
            a.op(VectorOp.VPBROADCASTD, NUMBER, number);
        }
        a.bind(row);
        loop.run(p -> {
            Vec v = zmm(p.vector());
            a.op(VMOVUPS, p.load(v), p.in(RDI));
            step.write(p, v);
            a.op(VMOVUPS, p.in(RDX), p.keep(v));
        });
        a.op(ADD, RDI, RowLoop.BYTES);
        a.op(ADD, RDX, RowLoop.BYTES);
        a.op(ADD, RSI, R9);
        a.decrement(R8);
        a.jump(NOT_EQUAL, row);
        a.pop(RBX);
        a.vzeroupper();
        a.ret();
        constants.write(a);
        return MachineCode.install(a);
    }
}
