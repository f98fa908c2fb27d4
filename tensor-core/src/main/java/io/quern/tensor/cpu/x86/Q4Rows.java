package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.RowsCode.scratch;

/**
 * Q4_0: blocks of a scale in binary16 and 16 bytes, whose lower halves are the first 16 numbers and whose upper halves the
 * other 16. A number is looked up in a register: the permutation looks at the lower four bits of each lane alone, so that no
 * masks, conversions or subtractions are needed.
 */
final class Q4Rows implements RowFormat {
    private final Label numbers = new Label();

    @Override
    public int elements() {
        return 32;
    }

    @Override
    public int bytes() {
        return 18;
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
    public void constants(RowsCode c) {
        c.a.op(VectorOp.VMOVUPS, RowsCode.constant(0), Mem.at(numbers));
    }

    @Override
    public void tables(Assembler a) {
        a.align(64);
        a.bind(numbers);
        for (int i = -8; i < 8; i++) {
            a.floats(i);
        }
    }

    @Override
    public void unit(RowsCode c, int stream, Mem place) {
        c.a.op(VectorOp.VPMOVZXBD, scratch(0), place.plus(2));
        c.a.op(VectorOp.VPSRLD, scratch(1), scratch(0), 4);
        c.a.op(VectorOp.VPERMPS, scratch(0), scratch(0), RowsCode.constant(0));
        c.a.op(VectorOp.VPERMPS, scratch(1), scratch(1), RowsCode.constant(0));
        c.multiplyAdd(stream, scratch(0), scratch(1), c.half(place));
    }
}
