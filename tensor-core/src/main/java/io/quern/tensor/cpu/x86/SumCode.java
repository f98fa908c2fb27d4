package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Alu.SUB;
import static io.quern.tensor.cpu.x86.Condition.EQUAL;
import static io.quern.tensor.cpu.x86.Gpr.*;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import java.lang.foreign.MemorySegment;

/**
 * The sum of some rows, with a bias: {@code (rows, bytes between them, number of rows, columns, bias, y)}. A bias of 0 means
 * none; there is at least one row. The rows are added in order, then the bias, then what was in y if asked for.
 */
public final class SumCode {
    private static final Mask LANES = Mask.k(1);

    private SumCode() {}

    /** Writes the function that sets y, or adds to it. */
    public static MemorySegment install(boolean accumulate) {
        Assembler a = new Assembler();
        Label vector = new Label();
        Label whole = new Label();
        Label next = new Label();
        Label last = new Label();
        Label noBias = new Label();
        Label masks = new Label();
        Label end = new Label();
        a.mov(RAX, 0xffff);
        a.op(KMOVD, LANES, RAX);
        a.bind(vector);
        a.test(RCX, RCX);
        a.jump(EQUAL, end);
        a.op(SUB, RCX, 16);
        a.jump(Condition.GREATER_OR_EQUAL, whole);
        a.lea(RAX, at(masks));
        a.movInt(RAX, at(RAX, RCX, 4).plus(4 * 16));
        a.op(KMOVD, LANES, RAX);
        a.mov(RCX, 0);
        a.bind(whole);
        a.op(VMOVUPS, zmm(0).zeroing(LANES), at(RDI));
        a.lea(R10, at(RDI, RSI, 1));
        a.mov(R11, RDX);
        a.bind(next);
        a.decrement(R11);
        a.jump(EQUAL, last);
        a.op(VADDPS, zmm(0).zeroing(LANES), zmm(0), at(R10));
        a.op(ADD, R10, RSI);
        a.jump(next);
        a.bind(last);
        a.test(R8, R8);
        a.jump(EQUAL, noBias);
        a.op(VADDPS, zmm(0).zeroing(LANES), zmm(0), at(R8));
        a.op(ADD, R8, 64);
        a.bind(noBias);
        if (accumulate) {
            a.op(VADDPS, zmm(0).zeroing(LANES), zmm(0), at(R9));
        }
        a.op(VMOVUPS, at(R9), zmm(0).merging(LANES));
        a.op(ADD, RDI, 64);
        a.op(ADD, R9, 64);
        a.jump(vector);
        a.bind(end);
        a.vzeroupper();
        a.ret();
        a.align(4);
        a.bind(masks);
        for (int i = 0; i < 16; i++) {
            a.ints((1 << i) - 1);
        }
        return MachineCode.install(a);
    }
}
