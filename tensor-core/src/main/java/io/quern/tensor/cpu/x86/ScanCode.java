package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.CMP;
import static io.quern.tensor.cpu.x86.Condition.ABOVE;
import static io.quern.tensor.cpu.x86.Condition.ABOVE_OR_EQUAL;
import static io.quern.tensor.cpu.x86.Condition.NOT_EQUAL;
import static io.quern.tensor.cpu.x86.Gpr.*;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.xmm;
import static io.quern.tensor.cpu.x86.Vec.ymm;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import java.lang.foreign.MemorySegment;

/** Functions of runs of floats: the search for a large one, the sum of squares, and the sum of four runs. */
public final class ScanCode {
    /** Floats of which {@link #firstAbove} finds the first that hold a large one. */
    public static final int STRETCH = 16;

    private static final Mask HIT = Mask.k(2);

    /** Predicate of VCMPPS: not greater or equal, also for NaN. */
    private static final int NOT_GREATER_OR_EQUAL = 9;

    private ScanCode() {}

    /**
     * Writes {@code (x, count, bits of a threshold)}, which returns the index of the first {@link #STRETCH} floats of which one
     * is larger than the threshold, or NaN, as the threshold may be too; the count, or more, if there is none.
     */
    public static MemorySegment firstAbove() {
        Assembler a = new Assembler();
        Constants constants = new Constants();
        Label loop = new Label();
        Label rest = new Label();
        Label end = new Label();
        Mask some = Mask.k(1);
        a.op(VPBROADCASTD, zmm(0), RDX);
        a.mov(RAX, 0);
        a.bind(loop);
        a.lea(RCX, at(RAX, STRETCH));
        a.op(CMP, RCX, RSI);
        a.jump(ABOVE, rest);
        a.op(VCMPPS, HIT, zmm(0), at(RDI, RAX, 4), NOT_GREATER_OR_EQUAL);
        a.op(KMOVD, RDX, HIT);
        a.test(RDX, RDX);
        a.jump(NOT_EQUAL, end);
        a.mov(RAX, RCX);
        a.jump(loop);
        a.bind(rest);
        a.op(CMP, RAX, RSI);
        a.jump(ABOVE_OR_EQUAL, end);
        a.mov(RCX, RSI);
        a.op(Alu.AND, RCX, 15);
        a.lea(RDX, constants.masks());
        a.movInt(RDX, at(RDX, RCX, 4));
        a.op(KMOVD, some, RDX);
        a.op(VMOVUPS, zmm(1), zmm(0));
        a.op(VMOVUPS, zmm(1).merging(some), at(RDI, RAX, 4));
        a.op(VCMPPS, HIT, zmm(0), zmm(1), NOT_GREATER_OR_EQUAL);
        a.op(KMOVD, RDX, HIT);
        a.test(RDX, RDX);
        a.jump(NOT_EQUAL, end);
        a.mov(RAX, RSI);
        a.bind(end);
        a.vzeroupper();
        a.ret();
        constants.write(a);
        return MachineCode.install(a);
    }

    /** Writes {@code (x, count, out)}, which sets a float64 to the sum of squares, computed in float64. */
    public static MemorySegment squares() {
        Assembler a = new Assembler();
        Constants constants = new Constants();
        int side = 4;
        RowLoop loop = new RowLoop(a, side);
        a.push(RBX);
        loop.begin(RSI, constants);
        for (int i = 0; i < 2 * side; i++) {
            a.op(VXORPS, xmm(i), xmm(i), xmm(i));
        }
        loop.run(p -> {
            Vec v = zmm(16 + p.vector());
            Vec high = zmm(24 + p.vector());
            a.op(VMOVUPS, p.load(v), p.in(RDI));
            a.op(VEXTRACTF64X4, high.y(), v, 1);
            a.op(VCVTPS2PD, v, v.y());
            a.op(VCVTPS2PD, high, high.y());
            a.op(VFMADD231PD, zmm(p.vector()), v, v);
            a.op(VFMADD231PD, zmm(side + p.vector()), high, high);
        });
        for (int distance = side; distance > 0; distance /= 2) {
            for (int i = 0; i < distance; i++) {
                a.op(VADDPD, zmm(i), zmm(i), zmm(i + distance));
            }
        }
        a.op(VEXTRACTF64X4, ymm(1), zmm(0), 1);
        a.op(VADDPD, ymm(0), ymm(0), ymm(1));
        a.op(VEXTRACTF32X4, xmm(1), ymm(0), 1);
        a.op(VADDPD, xmm(0), xmm(0), xmm(1));
        a.op(VSHUFPS, xmm(1), xmm(0), xmm(0), 0xee);
        a.op(VADDSD, xmm(0), xmm(0), xmm(1));
        a.op(VMOVSD, at(RDX), xmm(0));
        a.pop(RBX);
        a.vzeroupper();
        a.ret();
        constants.write(a);
        return MachineCode.install(a);
    }

    /** Writes {@code (y, a, b, c, d, count)}: y += a + b + c + d, added in pairs. */
    public static MemorySegment addFour() {
        Assembler a = new Assembler();
        Constants constants = new Constants();
        RowLoop loop = new RowLoop(a, 2);
        a.push(RBX);
        loop.begin(R9, constants);
        loop.run(p -> {
            Vec s = zmm(p.vector());
            Vec t = zmm(8 + p.vector());
            a.op(VMOVUPS, p.load(s), p.in(RSI));
            a.op(VADDPS, p.load(s), s, p.in(RDX));
            a.op(VMOVUPS, p.load(t), p.in(RCX));
            a.op(VADDPS, p.load(t), t, p.in(R8));
            a.op(VADDPS, s, s, t);
            a.op(VADDPS, p.load(s), s, p.in(RDI));
            a.op(VMOVUPS, p.in(RDI), p.keep(s));
        });
        a.pop(RBX);
        a.vzeroupper();
        a.ret();
        constants.write(a);
        return MachineCode.install(a);
    }
}
