package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.RowsCode.scratch;

/** Q8_0: blocks of a scale in binary16 and 32 signed bytes. The scale meets the sum of a block's products. */
final class Q8Rows implements RowFormat {
    @Override
    public int elements() {
        return 32;
    }

    @Override
    public int bytes() {
        return 34;
    }

    @Override
    public int vectors() {
        return 2;
    }

    @Override
    public int unroll() {
        return 1;
    }

    @Override
    public void unit(RowsCode c, int stream, Mem place) {
        for (int v = 0; v < 2; v++) {
            c.a.op(VectorOp.VPMOVSXBD, scratch(v), place.plus(2 + 16 * v));
            c.a.op(VectorOp.VCVTDQ2PS, scratch(v), scratch(v));
        }
        c.multiplyAdd(stream, scratch(0), scratch(1), c.half(place));
    }
}
