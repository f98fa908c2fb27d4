package io.quern.tensor.cpu.x86;

import io.quern.tensor.DType;

/** F32, BF16 and F16 weights, widened exactly; 16 numbers are a unit. */
record FloatRows(DType type) implements RowFormat {
    @Override
    public int elements() {
        return 16;
    }

    @Override
    public int bytes() {
        return 16 * type.bytes();
    }

    @Override
    public int vectors() {
        return 1;
    }

    @Override
    public int unroll() {
        return 2;
    }

    @Override
    public void unit(RowsCode c, int stream, Mem place) {
        if (type == DType.F32 && c.rows == 1) {
            c.multiplyAdd(stream, place);
            return;
        }
        Vec w = RowsCode.scratch(0);
        load(c.a, type, w, w, place);
        c.multiplyAdd(stream, w);
    }

    @Override
    public void tail(RowsCode c, int stream, Mem place) {
        Vec w = RowsCode.scratch(0);
        load(c.a, type, w.zeroing(RowsCode.rest()), w, place);
        c.multiplyAdd(stream, w);
    }

    /** Reads and widens a vector; {@code to} is the same register as {@code plain}, perhaps with a mask. */
    static void load(Assembler a, DType type, Vec to, Vec plain, Mem place) {
        switch (type) {
            case F32 -> a.op(VectorOp.VMOVUPS, to, place);
            case F16 -> a.op(VectorOp.VCVTPH2PS, to, place);
            case BF16 -> {
                a.op(VectorOp.VPMOVZXWD, to, place);
                a.op(VectorOp.VPSLLD, plain, plain, 16);
            }
            default -> throw new IllegalArgumentException("not a floating-point format: " + type);
        }
    }
}
