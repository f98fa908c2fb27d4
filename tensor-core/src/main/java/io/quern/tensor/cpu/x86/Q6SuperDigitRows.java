package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.RSP;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.DType;

/**
 * Q6_K times x in fixed point: bytes of 6 bits, whose corrections are for the 32 that they are too large by. 64 numbers are four
 * sub-blocks; lanes i, i + 4, i + 8 and i + 12 are those of one, so that four scales, as they lie, serve for every four lanes.
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
            a.ints(4 * (i % 4) + i / 4);
        }
        for (int half = 0; half < 2; half++) {
            for (int i = 0; i < 16; i++) {
                a.ints(8 * half + 4 * (i % 2) + i / 4); // 32 bytes serve for all 128 numbers of a half
            }
        }
        for (int i = 0; i < 16; i++) {
            a.ints(i % 4 < 2 ? 0x0004_0004 : 0x0002_0002); // run 0 by 4, run 1 by 2
        }
        for (int i = 0; i < 16; i++) {
            a.ints(i % 4 < 2 ? 0 : 0x0002_0002); // run 2 stays, run 3 by 2
        }
        a.ints(0x0f0f_0f0f, 0x3030_3030);
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
            c.a.op(VPMOVSXBD, step, places[s].plus(SCALES));
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
                for (int v = 0; v < 2; v++) {
                    dot(c, r, x, half, v);
                    correct(c, r, x, half, v);
                    for (int s = 0; s < places.length; s++) {
                        Vec step = free(2 + s % 2);
                        c.a.op(VCVTDQ2PS, products(s), products(s));
                        c.a.op(VBROADCASTF32X4, step, steps(r, s).plus(32 * half + 16 * v));
                        c.a.op(VFMADD231PS, c.sum(r, s), products(s), step);
                    }
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
            Vec high = weights(s, 1);
            c.a.op(VPERMD, low, order, places[s].plus(64 * half));
            c.a.op(VPERMD, high, upperOrder, places[s].plus(UPPER));
            c.a.op(VPSLLVW, weights(s, 0), high, left);
            c.a.op(VPANDD, weights(s, 0), weights(s, 0), highBits);
            c.a.op(VPTERNLOGD, weights(s, 0), low, lowBits, 0xf8); // high | low & bits
            c.a.op(VPSRLVW, high, high, right);
            c.a.op(VPSRLW, low, low, 4);
            c.a.op(VPANDD, high, high, highBits);
            c.a.op(VPTERNLOGD, high, low, lowBits, 0xf8);
        }
    }
}
