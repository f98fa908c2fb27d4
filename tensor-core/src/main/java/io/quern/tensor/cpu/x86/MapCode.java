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
import static io.quern.tensor.cpu.x86.VectorOp.VADDPS;
import static io.quern.tensor.cpu.x86.VectorOp.VMOVUPS;

import io.quern.tensor.op.Elementwise.UnaryKind;
import java.lang.foreign.MemorySegment;

/**
 * y = f(x) or y = f(x + bias) over packed rows: {@code (x, y, columns, rows, bias)}. There is at least one row. y may be x. An
 * element's result does not depend on where it stands. And its gradient.
 */
public final class MapCode {
    private MapCode() {}

    /** Writes the function, with a bias or without. */
    public static MemorySegment install(UnaryKind kind, boolean biased) {
        return install(kind, biased, false);
    }

    /** Writes dx = f'(x) dy, or f'(x + bias) dy: {@code (x, dx, columns, rows, bias, dy)}. dx may be x or dy. */
    public static MemorySegment gradient(UnaryKind kind, boolean biased) {
        return install(kind, biased, true);
    }

    private static MemorySegment install(UnaryKind kind, boolean biased, boolean gradient) {
        Assembler a = new Assembler();
        Constants constants = new Constants();
        MathCode math = new MathCode(a, constants);
        RowLoop loop = new RowLoop(a, 1);
        Label row = new Label();
        Vec v = zmm(0);
        Vec dy = zmm(1);
        a.push(RBX);
        loop.begin(RDX, constants);
        a.bind(row);
        loop.run(p -> {
            a.op(VMOVUPS, p.load(v), p.in(RDI));
            if (biased) {
                a.op(VADDPS, p.load(v), v, p.in(R8));
            }
            if (gradient) {
                a.op(VMOVUPS, p.load(dy), p.in(R9));
                math.applyGradient(kind, v, dy);
            } else {
                math.apply(kind, v);
            }
            a.op(VMOVUPS, p.in(RSI), p.keep(gradient ? dy : v));
        });
        a.op(ADD, RDI, RowLoop.BYTES);
        a.op(ADD, RSI, RowLoop.BYTES);
        a.op(ADD, R9, RowLoop.BYTES);
        a.decrement(RCX);
        a.jump(NOT_EQUAL, row);
        a.pop(RBX);
        a.vzeroupper();
        a.ret();
        constants.write(a);
        return MachineCode.install(a);
    }
}
