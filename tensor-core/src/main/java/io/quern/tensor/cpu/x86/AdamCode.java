package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.R8;
import static io.quern.tensor.cpu.x86.Gpr.R9;
import static io.quern.tensor.cpu.x86.Gpr.RBX;
import static io.quern.tensor.cpu.x86.Gpr.RCX;
import static io.quern.tensor.cpu.x86.Gpr.RDI;
import static io.quern.tensor.cpu.x86.Gpr.RDX;
import static io.quern.tensor.cpu.x86.Gpr.RSI;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import java.lang.foreign.MemorySegment;

/**
 * A step of AdamW: {@code (p, g, m, v, count, numbers)}, in place. With grad = SCALE g: m = BETA1 m + REST1 grad, v = BETA2 v +
 * REST2 grad^2, p = p + DECAY p - STEP m / (CORRECTION sqrt(v) + EPSILON). The numbers are floats in this order: SCALE, BETA1,
 * REST1, BETA2, REST2, EPSILON, STEP, CORRECTION, DECAY. The bits are those of {@code AdamKernels}.
 */
public final class AdamCode {
    /** How many numbers there are. */
    public static final int NUMBERS = 9;

    private static final Vec SCALE = zmm(16);
    private static final Vec BETA1 = zmm(17);
    private static final Vec REST1 = zmm(18);
    private static final Vec BETA2 = zmm(19);
    private static final Vec REST2 = zmm(20);
    private static final Vec EPSILON = zmm(21);
    private static final Vec STEP = zmm(22);
    private static final Vec CORRECTION = zmm(23);
    private static final Vec DECAY = zmm(24);

    private AdamCode() {}

    /** Writes the function. */
    public static MemorySegment install() {
        Assembler a = new Assembler();
        Constants constants = new Constants();
        RowLoop loop = new RowLoop(a, 1);
        a.push(RBX);
        loop.begin(R8, constants);
        for (int i = 0; i < NUMBERS; i++) {
            a.op(VBROADCASTSS, zmm(SCALE.number() + i), at(R9, 4 * i));
        }
        Vec grad = zmm(0);
        Vec m = zmm(1);
        Vec v = zmm(2);
        Vec p = zmm(3);
        Vec scratch = zmm(4);
        loop.run(part -> {
            a.op(VMULPS, part.load(grad), SCALE, part.in(RSI));
            a.op(VMULPS, m, grad, REST1);
            a.op(VFMADD231PS, part.load(m), BETA1, part.in(RDX));
            a.op(VMULPS, v, grad, grad);
            a.op(VMULPS, v, v, REST2);
            a.op(VFMADD231PS, part.load(v), BETA2, part.in(RCX));
            a.op(VMOVUPS, part.in(RDX), part.keep(m));
            a.op(VMOVUPS, part.in(RCX), part.keep(v));
            a.op(VSQRTPS, v, v);
            a.op(VFMADD213PS, v, CORRECTION, EPSILON);
            a.op(VMULPS, m, m, STEP);
            a.op(VDIVPS, m, m, v);
            a.op(VMOVUPS, part.load(p), part.in(RDI));
            a.op(VMOVUPS, scratch, p);
            a.op(VFMADD231PS, scratch, p, DECAY);
            a.op(VSUBPS, scratch, scratch, m);
            a.op(VMOVUPS, part.in(RDI), part.keep(scratch));
        });
        a.pop(RBX);
        a.vzeroupper();
        a.ret();
        constants.write(a);
        return MachineCode.install(a);
    }
}
