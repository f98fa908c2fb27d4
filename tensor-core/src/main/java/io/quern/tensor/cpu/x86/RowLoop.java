package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Alu.AND;
import static io.quern.tensor.cpu.x86.Alu.CMP;
import static io.quern.tensor.cpu.x86.Condition.EQUAL;
import static io.quern.tensor.cpu.x86.Condition.GREATER_OR_EQUAL;
import static io.quern.tensor.cpu.x86.Condition.LESS;
import static io.quern.tensor.cpu.x86.Condition.LESS_OR_EQUAL;
import static io.quern.tensor.cpu.x86.Gpr.R10;
import static io.quern.tensor.cpu.x86.Gpr.R11;
import static io.quern.tensor.cpu.x86.Gpr.R15;
import static io.quern.tensor.cpu.x86.Gpr.RAX;
import static io.quern.tensor.cpu.x86.Gpr.RBX;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.xmm;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

/**
 * Loops over a row of floats: some vectors side by side, then one at a time, then the rest under a mask, so that nothing is
 * touched beyond the row. All rows of a call are of the same length. Sums run in the lanes of four vectors over blocks, whose
 * sums are added in float64: the error does not grow with the length, and the order depends on the length alone.
 *
 * <p>Takes rax, r10, r11 and k1 for itself, for sums r15 as well; {@link #BYTES} (rbx) holds the bytes of a row. Callers save
 * rbx and r15.
 */
final class RowLoop {
    /** The bytes of a row. */
    static final Gpr BYTES = RBX;

    /** Vectors whose lanes a sum runs in: in the order of {@link Part#vector}. */
    static final int SUMS = 4;

    private static final Mask REST = Mask.k(1);
    private static final Gpr OFFSET = RAX;
    private static final Gpr WIDE = R10;
    private static final Gpr WHOLE = R11;
    private static final Gpr LIMIT = R15;

    /** Bytes of a block. */
    private static final int BLOCK = 4 * 4096;

    private final Assembler a;
    private final int side;

    /** Loops with {@code side} vectors side by side. */
    RowLoop(Assembler a, int side) {
        this.a = a;
        this.side = side;
    }

    /**
     * Where a body is in a row.
     *
     * @param vector number of the vector among those side by side
     * @param rest whether it is the last one, under a mask
     */
    record Part(int vector, boolean rest) {
        /** The place of the vector in the row that begins at a register. */
        Mem in(Gpr row) {
            return at(row, OFFSET, 1).plus(64 * vector);
        }

        /** A register to load to, with zeros beyond the row. */
        Vec load(Vec v) {
            return rest ? v.zeroing(REST) : v;
        }

        /** A register whose lanes beyond the row stay as they are; or the lanes of a register to store. */
        Vec keep(Vec v) {
            return rest ? v.merging(REST) : v;
        }
    }

    /** Code for one vector. */
    interface Body {
        void write(Part part);
    }

    /** Takes the number of columns. */
    void begin(Gpr columns, Constants constants) {
        a.mov(BYTES, columns);
        a.op(AND, BYTES, 15);
        a.lea(RAX, constants.masks());
        a.movInt(RAX, at(RAX, BYTES, 4));
        a.op(KMOVD, REST, RAX);
        a.mov(BYTES, columns);
        a.op(Shift.SHL, BYTES, 2);
        a.mov(WIDE, BYTES);
        a.op(AND, WIDE, -64 * side);
        a.mov(WHOLE, BYTES);
        a.op(AND, WHOLE, -64);
    }

    /** Goes over a row. */
    void run(Body body) {
        a.mov(OFFSET, 0);
        wide(WIDE, body);
        narrow(body);
    }

    private void wide(Gpr limit, Body body) {
        if (side == 1) {
            return;
        }
        Label loop = new Label();
        Label end = new Label();
        a.op(CMP, OFFSET, limit);
        a.jump(GREATER_OR_EQUAL, end);
        a.align(16);
        a.bind(loop);
        for (int v = 0; v < side; v++) {
            body.write(new Part(v, false));
        }
        a.op(ADD, OFFSET, 64 * side);
        a.op(CMP, OFFSET, limit);
        a.jump(LESS, loop);
        a.bind(end);
    }

    private void narrow(Body body) {
        Label loop = new Label();
        Label rest = new Label();
        Label end = new Label();
        a.op(CMP, OFFSET, WHOLE);
        a.jump(GREATER_OR_EQUAL, rest);
        a.bind(loop);
        body.write(new Part(0, false));
        a.op(ADD, OFFSET, 64);
        a.op(CMP, OFFSET, WHOLE);
        a.jump(LESS, loop);
        a.bind(rest);
        a.op(CMP, WHOLE, BYTES);
        a.jump(EQUAL, end);
        body.write(new Part(0, true));
        a.bind(end);
    }

    /**
     * Goes over a row with sums.
     *
     * @param totals for each sum, the register whose lowest float64 becomes the sum
     * @param first for each sum, the first of {@link #SUMS} registers, to which the body adds in the order of
     *     {@link Part#vector}
     */
    void sum(int[] totals, int[] first, Body body) {
        for (int t : totals) {
            a.op(VXORPS, xmm(t), xmm(t), xmm(t));
        }
        blocks(null, () -> {
            zero(first);
            over(null, body);
            add(totals, first);
        });
    }

    /**
     * Goes over a row block by block; the code for a block goes over it by {@link #over}.
     *
     * @param start takes a block's offset; null if there is one {@link #over}
     */
    void blocks(Gpr start, Runnable code) {
        Label block = new Label();
        Label reaches = new Label();
        a.mov(OFFSET, 0);
        a.bind(block);
        if (start != null) {
            a.mov(start, OFFSET);
        }
        a.lea(LIMIT, at(OFFSET, BLOCK));
        a.op(CMP, LIMIT, WIDE);
        a.jump(LESS_OR_EQUAL, reaches);
        a.mov(LIMIT, WIDE);
        a.bind(reaches);
        code.run();
        a.op(CMP, OFFSET, WIDE);
        a.jump(LESS, block);
    }

    /** Goes over a block, from the start of {@link #blocks}. */
    void over(Gpr start, Body body) {
        Label end = new Label();
        if (start != null) {
            a.mov(OFFSET, start);
        }
        wide(LIMIT, body);
        a.op(CMP, OFFSET, WIDE);
        a.jump(LESS, end);
        narrow(body);
        a.bind(end);
    }

    /** Begins the sums of a block; see {@link #sum}. */
    void zero(int[] first) {
        if (side != SUMS) {
            throw new IllegalStateException("a sum takes " + SUMS + " vectors side by side");
        }
        for (int f : first) {
            for (int i = f; i < f + SUMS; i++) {
                a.op(VXORPS, xmm(i), xmm(i), xmm(i));
            }
        }
    }

    /** Adds the sums of a block to those of its row; see {@link #sum}. */
    void add(int[] totals, int[] first) {
        for (int i = 0; i < totals.length; i++) {
            Vec sum = zmm(first[i]);
            fold(a, VADDPS, first[i]);
            a.op(VCVTSS2SD, sum.x(), sum.x(), sum.x());
            a.op(VADDSD, xmm(totals[i]), xmm(totals[i]), sum.x());
        }
    }

    /** Brings the lanes of {@link #SUMS} registers together in the lowest of the first: 64 to 32, 16, 8, 4, 2 and 1. */
    static void fold(Assembler a, VectorOp op, int first) {
        Vec v = zmm(first);
        Vec scratch = zmm(first + 1);
        a.op(op, v, v, scratch);
        a.op(op, zmm(first + 2), zmm(first + 2), zmm(first + 3));
        a.op(op, v, v, zmm(first + 2));
        a.op(VEXTRACTF64X4, scratch.y(), v, 1);
        a.op(op, v.y(), v.y(), scratch.y());
        a.op(VEXTRACTF32X4, scratch.x(), v.y(), 1);
        a.op(op, v.x(), v.x(), scratch.x());
        a.op(VSHUFPS, scratch.x(), v.x(), v.x(), 0xee);
        a.op(op, v.x(), v.x(), scratch.x());
        a.op(VSHUFPS, scratch.x(), v.x(), v.x(), 0x55);
        a.op(op, v.x(), v.x(), scratch.x());
    }
}
