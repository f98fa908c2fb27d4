package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.RAX;
import static io.quern.tensor.cpu.x86.Gpr.RSP;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.RowsCode.scratch;
import static io.quern.tensor.cpu.x86.VectorOp.*;

/**
 * Q4_K: 256 numbers of 4 bits in 8 sub-blocks, as io.quern.tensor.quant's Q4SuperBlock lays them out. A sub-block adds its
 * scale times the sum of its products, less its minimum times the sum of its x. Scales and minima of 6 bits are put together
 * for the whole block at once and kept on the stack.
 */
final class Q4SuperRows implements RowFormat {
    /** Where the bytes begin, each two numbers. */
    private static final int NUMBERS = 16;

    private static final Mask SCALES = Mask.k(2);
    private static final Mask MINIMA = Mask.k(3);

    private final Label numbers = new Label();
    private final Label fields = new Label();

    @Override
    public int elements() {
        return 256;
    }

    @Override
    public int bytes() {
        return 144;
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
        return RowsCode.STREAMS * 64;
    }

    @Override
    public void constants(RowsCode c) {
        c.a.op(VMOVUPS, RowsCode.constant(0), at(numbers));
        c.a.mov(RAX, 0x00ff);
        c.a.op(KMOVW, SCALES, RAX);
        c.a.mov(RAX, 0xff00);
        c.a.op(KMOVW, MINIMA, RAX);
    }

    @Override
    public void tables(Assembler a) {
        a.align(64);
        a.bind(numbers);
        for (int i = 0; i < 16; i++) {
            a.floats(i);
        }
        a.bind(fields);
        a.ints(0, 2, 0, 2, 0x3f3f_3f3f, 0x3030_3030, 0x3f3f_3f3f, 0x3030_3030); // of the first 8 bytes
        a.ints(0, 0, 0, 4, 0, 0x0f0f_0f0f, 0, 0x0f0f_0f0f); // of the last 4
    }

    @Override
    public void unit(RowsCode c, int stream, Mem place) {
        Mem steps = at(RSP, 64 * stream);
        Vec all = scratch(0);
        Vec first = scratch(1).x();
        Vec last = scratch(2).x();
        c.a.op(VMOVUPS, all.x(), place); // both scales, then 12 bytes
        c.a.op(VPSHUFD, first, all.x(), 0b10_10_01_01);
        c.a.op(VPSHUFD, last, all.x(), 0b11_11_11_11);
        c.a.op(VPSRLVD, first, first, at(fields));
        c.a.op(VPSRLVD, last, last, at(fields).plus(32));
        c.a.op(VPANDD, first, first, at(fields).plus(16));
        c.a.op(VPANDD, last, last, at(fields).plus(48));
        c.a.op(VPORD, first, first, last);
        c.a.op(VPMOVZXBD, all, first); // 8 scales, 8 minima
        c.a.op(VCVTDQ2PS, all, all);
        c.a.op(VMULPS, all.merging(SCALES), all, c.half(place).broadcast());
        c.a.op(VMULPS, all.merging(MINIMA), all, c.half(place.plus(2)).broadcast());
        c.a.op(VMOVUPS, steps, all);
        for (int pair = 0; pair < 4; pair++) {
            Mem bytes = place.plus(NUMBERS + 32 * pair);
            for (int i = 0; i < 2; i++) {
                c.a.op(VPMOVZXBD, scratch(i), bytes.plus(16 * i));
                c.a.op(VPSRLD, scratch(2 + i), scratch(i), 4);
            }
            for (int i = 0; i < 4; i++) {
                c.a.op(VPERMPS, scratch(i), scratch(i), RowsCode.constant(0));
            }
            for (int sub = 2 * pair; sub < 2 * pair + 2; sub++) {
                int low = 2 * (sub % 2);
                subBlock(c, stream, scratch(low), scratch(low + 1), 2 * sub, steps.plus(4 * sub));
            }
        }
    }

    private static void subBlock(RowsCode c, int stream, Vec low, Vec high, int vector, Mem step) {
        Vec x = scratch(4);
        Vec product = scratch(5);
        for (int r = 0; r < c.rows; r++) {
            Mem place = c.xAt(r).plus(64 * vector);
            c.a.op(VMOVUPS, x, place);
            c.a.op(VMULPS, product, low, x);
            c.a.op(VFMADD231PS, product, high, place.plus(64));
            c.a.op(VFMADD231PS, c.sum(r, stream), product, step.broadcast());
            c.a.op(VADDPS, x, x, place.plus(64));
            c.a.op(VFNMADD231PS, c.sum(r, stream), x, step.plus(32).broadcast());
        }
    }
}
