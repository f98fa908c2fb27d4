package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.RSP;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.DType;

/**
 * Q4_0 times x in fixed point, four blocks at a time. One permutation of two loads gathers the 64 bytes of four blocks; lanes
 * i, i + 4, i + 8 and i + 12 are block i, so that the four scales, as they lie, serve for every four lanes.
 *
 * <p>The upper nibbles need no shift or mask: a byte is 16 h + l, so 16 (h y + l x) = (16 h + l) y + l (16 x - y), where y and
 * 16 x - y are what {@link DigitsCode} writes.
 */
final class Q4DigitRows extends DigitRows {
    private final Label tables = new Label();

    Q4DigitRows() {
        super(DType.Q4_0);
    }

    @Override
    public int bytes() {
        return 4 * 18;
    }

    @Override
    public boolean fillsUp() {
        return true;
    }

    @Override
    public void constants(RowsCode c) {
        streamMasks(c);
    }

    @Override
    public void tables(Assembler a) {
        a.align(64);
        a.bind(tables);
        for (int j = 0; j < 4; j++) {
            a.ints(j, 16 + 3 + j, 9 + j, 16 + 12 + j); // loads begin at bytes 2 and 8, blocks at 2, 20, 38 and 56
        }
        for (int i = 0; i < 16; i++) {
            a.ints(i % 2 == 0 ? 9 << 16 : 27 << 16 | 18); // words
        }
        a.ints(0x0f0f_0f0f);
    }

    @Override
    public void units(RowsCode c, int x, Mem[] places) {
        scales(c, x, places);
        Vec order = free(0);
        Vec lowBits = free(1);
        c.a.op(VMOVUPS, order, at(tables));
        c.a.op(VPBROADCASTD, lowBits, at(tables).plus(128));
        for (int s = 0; s < places.length; s++) {
            c.a.op(VMOVUPS, weights(s, 1), places[s].plus(2));
            c.a.op(VPERMT2D, weights(s, 1), order, places[s].plus(8));
            c.a.op(VPANDD, weights(s, 0), weights(s, 1), lowBits);
        }
        for (int r = 0; r < c.rows; r++) {
            dot(c, r, x, 0);
            correct(c, r, x, 0);
            for (int s = 0; s < places.length; s++) {
                Vec scale = free(s % 2);
                c.a.op(VCVTDQ2PS, products(s), products(s));
                c.a.op(VBROADCASTF32X4, scale, at(RSP, 64 * r + 16 * s));
                c.a.op(VFMADD231PS, c.sum(r, s), products(s), scale);
            }
        }
    }

    /** Puts the products of scales of all streams and rows on the stack, each stream's four together. */
    private void scales(RowsCode c, int x, Mem[] places) {
        Vec order = free(0);
        Vec halves = free(1);
        Vec scales = free(2);
        c.a.op(VMOVUPS, order, at(tables).plus(64));
        for (int s = 0; s < places.length; s++) {
            c.a.op(VPERMW, s == 0 ? halves.zeroing(lanes(s)) : halves.merging(lanes(s)), order, places[s]);
        }
        c.a.op(VCVTPH2PS, scales, halves.y());
        for (int r = 0; r < c.rows; r++) {
            Vec product = free(3);
            c.a.op(VBROADCASTF32X4, product, c.xAt(r).plus(x + digits.scales()));
            c.a.op(VMULPS, product, product, scales);
            c.a.op(VMOVUPS, at(RSP, 64 * r), product);
        }
    }
}
