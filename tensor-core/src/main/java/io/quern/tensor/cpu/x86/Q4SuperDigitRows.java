package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.RAX;
import static io.quern.tensor.cpu.x86.Gpr.RSP;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.DType;

/**
 * Q4_K times x in fixed point. The scales and minima of 6 bits of all four streams are put together at once. Minima meet the
 * sums of x, which {@link DigitsCode} writes beside its scales: one multiplication gives the eight products of scales and the
 * eight of minima. Upper nibbles stay where they are, 16 times as large; the scales of their x make up for that. 64 bytes have
 * the numbers of four sub-blocks: lanes i, i + 4, i + 8 and i + 12 of two vectors are one of them, each lane the sum of eight
 * products.
 */
final class Q4SuperDigitRows extends DigitRows {
    /** Where the bytes begin, each two numbers. */
    private static final int NUMBERS = 16;

    private static final Mask MINIMA = Mask.k(2);

    private final Label tables = new Label();

    Q4SuperDigitRows() {
        super(DType.Q4_K);
    }

    @Override
    public int bytes() {
        return 144;
    }

    @Override
    public int frame() {
        return 64 + 64 * RowsCode.STREAMS * RowsCode.ROWS;
    }

    @Override
    public void constants(RowsCode c) {
        c.a.mov(RAX, 0xff00);
        c.a.op(KMOVD, MINIMA, RAX);
    }

    @Override
    public void tables(Assembler a) {
        a.align(64);
        a.bind(tables);
        for (int i = 0; i < 16; i++) {
            a.ints(8 * (i % 2) + i / 4 + i % 4 / 2 * 4); // of either half the same four bytes, and those 16 further
        }
        // bytes of four scales, 0 to 3 and 4 to 7, in the order 0, 2, 1, 3; then four minima each
        fourTimes(a, 0x0705_0604, 0x0705_0604, 0x0b0a_0908, 0x0b0a_0908);
        fourTimes(a, 0, 2, 0, 2);
        fourTimes(a, 0x3f3f_3f3f, 0x3030_3030, 0x3f3f_3f3f, 0x3030_3030);
        fourTimes(a, 0, 0x0f0d_0e0c, 0, 0x0f0e_0d0c);
        fourTimes(a, 0, 0, 0, 4);
        fourTimes(a, 0, 0x0f0f_0f0f, 0, 0x0f0f_0f0f);
        a.ints(0x0f0f_0f0f, 0xf0f0_f0f0);
    }

    private static void fourTimes(Assembler a, int... values) {
        for (int i = 0; i < 4; i++) {
            a.ints(values);
        }
    }

    private Mem table(int i) {
        return at(tables).plus(64 * i);
    }

    private static Mem steps(int row, int stream) {
        return at(RSP, 64 + 64 * (RowsCode.STREAMS * row + stream));
    }

    @Override
    public void units(RowsCode c, int x, Mem[] places) {
        steps(c, x, places);
        for (int group = 0; group < digits.groups(); group++) {
            Vec order = free(0);
            Vec low = free(1);
            Vec high = free(2);
            c.a.op(VMOVUPS, order, table(0));
            c.a.op(VPBROADCASTD, low, table(7));
            c.a.op(VPBROADCASTD, high, table(7).plus(4));
            for (int s = 0; s < places.length; s++) {
                Vec upper = free(3);
                c.a.op(VPERMD, weights(s, 1), order, places[s].plus(NUMBERS + 64 * group));
                c.a.op(VPANDD, upper, weights(s, 1), high);
                c.a.op(VPANDD, weights(s, 0), weights(s, 1), low);
                c.a.op(VSHUFPS, weights(s, 1), weights(s, 0), upper, 0b11_10_11_10);
                c.a.op(VSHUFPS, weights(s, 0), weights(s, 0), upper, 0b01_00_01_00);
            }
            for (int r = 0; r < c.rows; r++) {
                dot(c, r, x, group);
                for (int s = 0; s < places.length; s++) {
                    Vec step = free(2 + s % 2);
                    c.a.op(VCVTDQ2PS, products(s), products(s));
                    c.a.op(VBROADCASTF32X4, step, steps(r, s).plus(16 * group));
                    c.a.op(VFMADD231PS, c.sum(r, s), products(s), step);
                }
            }
        }
    }

    /** Puts the products of scales on the stack, and adds those of minima. */
    private void steps(RowsCode c, int x, Mem[] places) {
        Vec all = free(0);
        Vec first = free(1);
        Vec last = free(2);
        c.a.op(VMOVUPS, all.x(), places[0]); // both scales, then 12 bytes
        for (int s = 1; s < places.length; s++) {
            c.a.op(VINSERTF32X4, all, all, places[s], s);
        }
        c.a.op(VPSHUFB, first, all, table(1));
        c.a.op(VPSHUFB, last, all, table(4));
        c.a.op(VPSRLVD, first, first, table(2));
        c.a.op(VPSRLVD, last, last, table(5));
        c.a.op(VPANDD, first, first, table(3));
        c.a.op(VPTERNLOGD, first, last, table(6), 0xf8); // first | last & mask
        c.a.op(VMOVUPS, at(RSP), first);
        for (int s = 0; s < places.length; s++) {
            Vec step = weights(s, 0);
            Vec scale = weights(s, 1);
            c.a.op(VPMOVZXBD, step, at(RSP, 16 * s));
            c.a.op(VBROADCASTSS, scale, c.half(places[s]));
            c.a.op(VBROADCASTSS, scale.merging(MINIMA), c.half(places[s].plus(2)));
            c.a.op(VCVTDQ2PS, step, step);
            c.a.op(VMULPS, step, step, scale);
            for (int r = 0; r < c.rows; r++) {
                Vec product = products(r);
                c.a.op(VMULPS, product, step, c.xAt(r).plus(x + digits.scales()));
                c.a.op(VADDPS, c.sum(r, s).merging(MINIMA), c.sum(r, s), product);
                c.a.op(VMOVUPS, steps(r, s), product);
            }
        }
    }
}
