package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Alu.SUB;
import static io.quern.tensor.cpu.x86.Condition.EQUAL;
import static io.quern.tensor.cpu.x86.Condition.LESS;
import static io.quern.tensor.cpu.x86.Gpr.*;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * Conversions between F32 and the types of 16 bits, {@code (from, to, count)}: to nearest even; a NaN becomes the quiet one
 * 0x7FC0 of BF16, in F16 it keeps its upper bits. Memory after the last element is neither read nor written.
 */
public final class CastCode {
    private static final int LANES = 16;
    private static final Mask REST = Mask.k(1);
    private static final Mask NAN = Mask.k(2);

    /** The predicate of {@code VCMPPS} for operands of which one is NaN. */
    private static final int UNORDERED = 3;

    private static final Vec ONE = zmm(3);
    private static final Vec HALF = zmm(4); // less 1, of the unit in the last place
    private static final Vec QUIET = zmm(5);

    private final Assembler a = new Assembler();
    private final DType from;
    private final DType to;

    private CastCode(DType from, DType to) {
        this.from = from;
        this.to = to;
    }

    /** Whether there is a function: one of the types is F32, the other one BF16 or F16. */
    public static boolean has(DType from, DType to) {
        return isHalf(from) && to == DType.F32 || from == DType.F32 && isHalf(to);
    }

    private static boolean isHalf(DType t) {
        return t == DType.BF16 || t == DType.F16;
    }

    /** Writes the function for two types of which {@link #has} knows. */
    public static MemorySegment install(DType from, DType to) {
        CastCode code = new CastCode(from, to);
        code.write();
        return MachineCode.install(code.a);
    }

    private void write() {
        Label loop = new Label();
        Label rest = new Label();
        Label end = new Label();
        Label masks = new Label();
        if (to == DType.BF16) {
            constant(ONE, 1);
            constant(HALF, 0x7fff);
            constant(QUIET, 0x7fc0);
        }
        a.align(16);
        a.bind(loop);
        a.op(SUB, RDX, LANES);
        a.jump(LESS, rest);
        vector(null);
        a.op(ADD, RDI, LANES * from.bytes());
        a.op(ADD, RSI, LANES * to.bytes());
        a.jump(loop);
        a.bind(rest);
        a.op(ADD, RDX, LANES);
        a.jump(EQUAL, end);
        a.lea(RAX, at(masks));
        a.movInt(RAX, at(RAX, RDX, 4));
        a.op(KMOVD, REST, RAX);
        vector(REST);
        a.bind(end);
        a.vzeroupper();
        a.ret();
        a.align(4);
        a.bind(masks);
        for (int i = 0; i < LANES; i++) {
            a.ints((1 << i) - 1);
        }
    }

    private void constant(Vec to, int value) {
        a.mov(RAX, value);
        a.op(VPBROADCASTD, to, RAX);
    }

    /** A vector, or the elements of it that the mask has. */
    private void vector(Mask mask) {
        Vec x = zmm(0);
        Vec loaded = mask == null ? x : x.zeroing(mask);
        switch (from) {
            case BF16 -> {
                a.op(VPMOVZXWD, loaded, at(RDI));
                a.op(VPSLLD, x, x, 16);
            }
            case F16 -> a.op(VCVTPH2PS, loaded, at(RDI));
            default -> a.op(VMOVUPS, loaded, at(RDI));
        }
        Vec stored = mask == null ? x : x.merging(mask);
        switch (to) {
            case BF16 -> {
                a.op(VCMPPS, NAN, x, x, UNORDERED);
                a.op(VPSRLD, zmm(1), x, 16);
                a.op(VPANDD, zmm(1), zmm(1), ONE);
                a.op(VPADDD, x, x, zmm(1));
                a.op(VPADDD, x, x, HALF);
                a.op(VPSRLD, x, x, 16);
                a.op(VPORD, x.merging(NAN), QUIET, QUIET);
                a.op(VPMOVDW, at(RSI), stored);
            }
            case F16 -> a.op(VCVTPS2PH, at(RSI), stored, 0);
            default -> a.op(VMOVUPS, at(RSI), stored);
        }
    }
}
