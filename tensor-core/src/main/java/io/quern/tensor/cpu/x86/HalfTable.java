package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Gpr.RCX;
import static io.quern.tensor.cpu.x86.Gpr.RDI;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.ymm;
import static io.quern.tensor.cpu.x86.Vec.zmm;

import java.lang.foreign.Arena;

/**
 * What each of the 65,536 numbers in binary16 is in binary32. A block's scale is widened by one load from here, which the
 * multiply-add does itself, where conversions would take three of the ten instructions that compete for the vector units.
 * Of the 256 KiB the scales of a matrix touch a small part.
 */
public final class HalfTable {
    private static final int NUMBERS = 1 << 16;

    private HalfTable() {}

    private static final class Holder {
        static final long ADDRESS = fill();
    }

    /** Where the table lies; it is filled at the first call. */
    public static long address() {
        return Holder.ADDRESS;
    }

    private static long fill() {
        Assembler a = new Assembler(); // (table)
        Label first = new Label();
        Label step = new Label();
        Label loop = new Label();
        a.op(VectorOp.VMOVUPS, ymm(0), at(first));
        a.op(VectorOp.VPBROADCASTD, ymm(1), at(step));
        a.mov(RCX, NUMBERS / 16);
        a.bind(loop);
        a.op(VectorOp.VCVTPH2PS, zmm(2), ymm(0));
        a.op(VectorOp.VMOVUPS, at(RDI), zmm(2));
        a.op(
                VectorOp.VPADDD,
                ymm(0),
                ymm(0),
                ymm(1)); // two numbers in each lane; the lower never overflows before the end
        a.op(ADD, RDI, 64);
        a.decrement(RCX);
        a.jump(Condition.NOT_EQUAL, loop);
        a.vzeroupper();
        a.ret();
        a.bind(step);
        a.ints(16 << 16 | 16);
        a.bind(first);
        for (int i = 0; i < 16; i += 2) {
            a.ints(i + 1 << 16 | i);
        }
        long table = Arena.global().allocate(4L * NUMBERS, 64).address();
        try (Arena arena = Arena.ofConfined()) {
            NativeCall.call(CodeMemory.install(a.code(), arena), table, 0, 0, 0, 0, 0);
        }
        return table;
    }
}
