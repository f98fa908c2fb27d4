package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.RSP;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.RowsCode.scratch;
import static io.quern.tensor.cpu.x86.VectorOp.*;

/**
 * Q6_K: 256 numbers, as io.quern.tensor.quant's Q6SuperBlock lays them out. The numbers are put together as bytes, 64 at a
 * time, where one instruction serves four vectors of floats, and go by way of the stack to where they are widened; so do
 * the 16 products of scales.
 */
final class Q6SuperRows implements RowFormat {
    private static final int UPPER = 128;
    private static final int SCALES = 192;
    private static final int SCALE = 208;

    /** On the stack for each stream: 16 scales, and the 256 numbers as bytes. */
    private static final int STREAM = 64 + 256;

    private static final Vec LOW_BITS = Vec.zmm(16); // the lower four of each byte
    private static final Vec HIGH_BITS = Vec.zmm(17); // the two above
    private static final Vec CENTRE = Vec.zmm(18); // 32 in each byte
    private static final Vec LEFT = Vec.zmm(19); // what brings the upper bits of runs 0 and 1 to their place
    private static final Vec RIGHT = Vec.zmm(20); // of runs 2 and 3

    private final Label constants = new Label();

    @Override
    public int elements() {
        return 256;
    }

    @Override
    public int bytes() {
        return 210;
    }

    @Override
    public int vectors() {
        return 0;
    }

    @Override
    public int unroll() {
        return 1;
    }

    @Override
    public int frame() {
        return RowsCode.STREAMS * STREAM;
    }

    @Override
    public void constants(RowsCode c) {
        Mem table = at(constants);
        c.a.op(VPBROADCASTD, LOW_BITS, table.plus(128));
        c.a.op(VPBROADCASTD, HIGH_BITS, table.plus(132));
        c.a.op(VPBROADCASTD, CENTRE, table.plus(136));
        c.a.op(VMOVUPS, LEFT, table);
        c.a.op(VMOVUPS, RIGHT, table.plus(64));
    }

    @Override
    public void tables(Assembler a) {
        a.align(64);
        a.bind(constants);
        for (int i = 0; i < 16; i++) {
            a.ints(i < 8 ? 0x0004_0004 : 0x0002_0002); // run 0 by 4, run 1 by 2
        }
        for (int i = 0; i < 16; i++) {
            a.ints(i < 8 ? 0 : 0x0002_0002); // run 2 stays, run 3 by 2
        }
        a.ints(0x0f0f_0f0f, 0x3030_3030, 0x2020_2020);
    }

    @Override
    public void unit(RowsCode c, int stream, Mem place) {
        Mem scales = at(RSP, stream * STREAM);
        Mem numbers = scales.plus(64);
        c.a.op(VPMOVSXBD, scratch(0), place.plus(SCALES));
        c.a.op(VCVTDQ2PS, scratch(0), scratch(0));
        c.a.op(VMULPS, scratch(0), scratch(0), c.half(place.plus(SCALE)).broadcast());
        c.a.op(VMOVUPS, scales, scratch(0));
        for (int half = 0; half < 2; half++) {
            Vec low = scratch(0);
            Vec high = scratch(1);
            c.a.op(VMOVUPS, low, place.plus(64 * half));
            c.a.op(VBROADCASTF64X4, high, place.plus(UPPER + 32 * half));
            c.a.op(VPSLLVW, scratch(2), high, LEFT);
            join(c.a, low, scratch(2), numbers.plus(128 * half));
            c.a.op(VPSRLVW, high, high, RIGHT);
            c.a.op(VPSRLW, low, low, 4);
            join(c.a, low, high, numbers.plus(128 * half + 64));
        }
        for (int v = 0; v < 16; v++) {
            c.a.op(VPMOVSXBD, scratch(0), numbers.plus(16 * v));
            c.a.op(VCVTDQ2PS, scratch(0), scratch(0));
            c.multiplyAdd(stream, scratch(0), v, scales.plus(4 * v));
        }
    }

    /** Stores (low & 15 | high & 48) - 32 for each byte. */
    private static void join(Assembler a, Vec low, Vec high, Mem to) {
        a.op(VPANDD, high, high, HIGH_BITS);
        a.op(VPTERNLOGD, high, low, LOW_BITS, 0xf8); // high | low & bits
        a.op(VPSUBB, high, high, CENTRE);
        a.op(VMOVUPS, to, high);
    }
}
