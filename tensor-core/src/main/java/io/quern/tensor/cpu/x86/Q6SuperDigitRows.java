package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.RSP;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.DType;

/**
 * Q6_K times x in fixed point: bytes of 6 bits, whose corrections are for the 32 that they are too large by. 128 numbers are
 * eight sub-blocks, which take two lanes each, one in either half of a vector: so a lane sums eight products, and eight scales,
 * as they lie, serve for both halves.
 */
final class Q6SuperDigitRows extends DigitRows {
    private static final int UPPER = 128;
    private static final int SCALES = 192;
    private static final int SCALE = 208;

    private final Label tables = new Label();

    Q6SuperDigitRows() {
        super(DType.Q6_K);
    }

    @Override
    public int bytes() {
        return 210;
    }

    @Override
    public int frame() {
        return 64 * RowsCode.STREAMS * RowsCode.ROWS;
    }

    @Override
    public void tables(Assembler a) {
        a.align(64);
        a.bind(tables);
        for (int i = 0; i < 16; i++) {
            a.ints(4 * block(i) + part(i));
        }
        for (int half = 0; half < 2; half++) {
            for (int i = 0; i < 16; i++) {
                a.ints(8 * half + (4 * block(i) + part(i)) % 8); // 32 bytes serve for all 128 numbers of a half
            }
        }
        for (int i = 0; i < 16; i++) {
            a.ints(block(i) < 2 ? 0x0004_0004 : 0x0002_0002); // run 0 by 4, run 1 by 2
        }
        for (int i = 0; i < 16; i++) {
            a.ints(block(i) < 2 ? 0 : 0x0002_0002); // run 2 stays, run 3 by 2
        }
        a.ints(0x0f0f_0f0f, 0x3030_3030, 0, 0);
        a.ints(0x0504_0100, 0x0706_0302, 0x0d0c_0908, 0x0f0e_0b0a); // sub-blocks in the order of lanes
    }

    /** Which of four sub-blocks a lane of 64 numbers has before the shuffle of two such vectors. */
    private static int block(int lane) {
        return lane / 4 % 2 * 2 + lane % 2;
    }

    /** Which four numbers of the sub-block. */
    private static int part(int lane) {
        return lane / 8 + lane % 4 / 2 * 2;
    }

    private Mem table(int i) {
        return at(tables).plus(64 * i);
    }

    private static Mem steps(int row, int stream) {
        return at(RSP, 64 * (RowsCode.STREAMS * row + stream));
    }

    @Override
    public void units(RowsCode c, int x, Mem[] places) {
        for (int s = 0; s < places.length; s++) {
            Vec step = free(s % 2);
            c.a.op(VMOVUPS, step.x(), places[s].plus(SCALES));
            c.a.op(VPSHUFB, step.x(), step.x(), table(5).plus(16));
            c.a.op(VPMOVSXBD, step, step.x());
            c.a.op(VCVTDQ2PS, step, step);
            c.a.op(VMULPS, step, step, c.half(places[s].plus(SCALE)).broadcast());
            for (int r = 0; r < c.rows; r++) {
                Vec product = free(2 + r % 2);
                c.a.op(VMULPS, product, step, c.xAt(r).plus(x + digits.scales()));
                c.a.op(VMOVUPS, steps(r, s), product);
            }
        }
        for (int half = 0; half < digits.groups(); half++) {
            numbers(c, half, places);
            for (int r = 0; r < c.rows; r++) {
                dot(c, r, x, half);
                correct(c, r, x, half);
                for (int s = 0; s < places.length; s++) {
                    Vec step = free(2 + s % 2);
                    c.a.op(VCVTDQ2PS, products(s), products(s));
                    c.a.op(VBROADCASTF64X4, step, steps(r, s).plus(32 * half));
                    c.a.op(VFMADD231PS, c.sum(r, s), products(s), step);
                }
            }
        }
    }

    /** Puts 128 numbers of each stream together. */
    private void numbers(RowsCode c, int half, Mem[] places) {
        Vec order = products(0);
        Vec upperOrder = products(1);
        Vec lowBits = products(2);
        Vec highBits = products(3);
        Vec left = free(0);
        Vec right = free(1);
        c.a.op(VMOVUPS, order, table(0));
        c.a.op(VMOVUPS, upperOrder, table(1 + half));
        c.a.op(VMOVUPS, left, table(3));
        c.a.op(VMOVUPS, right, table(4));
        c.a.op(VPBROADCASTD, lowBits, table(5));
        c.a.op(VPBROADCASTD, highBits, table(5).plus(4));
        for (int s = 0; s < places.length; s++) {
            Vec low = free(2);
            Vec high = free(3);
            Vec first = weights(s, 0);
            c.a.op(VPERMD, low, order, places[s].plus(64 * half));
            c.a.op(VPERMD, high, upperOrder, places[s].plus(UPPER));
            c.a.op(VPSLLVW, first, high, left);
            c.a.op(VPANDD, first, first, highBits);
            c.a.op(VPTERNLOGD, first, low, lowBits, 0xf8); // high | low & bits
            c.a.op(VPSRLVW, high, high, right);
            c.a.op(VPSRLW, low, low, 4);
            c.a.op(VPANDD, high, high, highBits);
            c.a.op(VPTERNLOGD, high, low, lowBits, 0xf8);
            c.a.op(VSHUFPS, weights(s, 1), first, high, 0b11_10_11_10);
            c.a.op(VSHUFPS, first, first, high, 0b01_00_01_00);
        }
    }
}
