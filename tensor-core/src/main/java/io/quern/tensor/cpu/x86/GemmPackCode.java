package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.R10;
import static io.quern.tensor.cpu.x86.Gpr.R11;
import static io.quern.tensor.cpu.x86.Gpr.R8;
import static io.quern.tensor.cpu.x86.Gpr.R9;
import static io.quern.tensor.cpu.x86.Gpr.RAX;
import static io.quern.tensor.cpu.x86.Gpr.RBX;
import static io.quern.tensor.cpu.x86.Gpr.RCX;
import static io.quern.tensor.cpu.x86.Gpr.RDI;
import static io.quern.tensor.cpu.x86.Gpr.RDX;
import static io.quern.tensor.cpu.x86.Gpr.RSI;
import static io.quern.tensor.cpu.x86.Mask.k;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.zmm;

/**
 * Writes the functions that pack matrices for {@link GemmTileCode}: they read lines of elements, widen them to f32
 * (exactly) and store them as they are or transposed. Only elements inside the lines are read; past what was asked for,
 * up to 64 bytes behind each stored vector's beginning are overwritten.
 */
public final class GemmPackCode {
    /** What is read. */
    public enum Element {
        F32(4),
        BF16(2),
        F16(2);

        /** Of an element. */
        public final int bytes;

        Element(int bytes) {
            this.bytes = bytes;
        }
    }

    private static final int SIDE = 16;

    private GemmPackCode() {}

    /**
     * {@code (source, bytes from a line to the next, elements of a line (at least 1), target, bytes from a stored vector
     * to the next, mask)}: element i of all lines goes to the i-th vector. Lines past the last one repeat it. The mask
     * has a bit for each element that a line has beyond a multiple of 16.
     *
     * @param lines 1 to 16
     */
    public static Assembler transposing(int lines, Element type) {
        Assembler a = new Assembler();
        Label whole = new Label();
        Label rest = new Label();
        Label end = new Label();
        Gpr[] bases = {RDI, R10, R11, RBX}; // of four lines each
        a.push(RBX);
        a.op(VectorOp.KMOVW, k(1), R9);
        a.lea(RAX, at(RSI, RSI, 2));
        a.lea(R10, at(RDI, RSI, 4));
        a.lea(R11, at(R10, RSI, 4));
        a.lea(RBX, at(R11, RSI, 4));
        a.op(Alu.SUB, RDX, SIDE);
        a.jump(Condition.BELOW, rest);
        a.align(16);
        a.bind(whole);
        for (int i = 0; i < SIDE; i++) {
            load(a, type, zmm(i), line(bases, Math.min(i, lines - 1)), 0);
        }
        transpose(a);
        for (int i = 0; i < SIDE; i++) {
            a.op(VectorOp.VMOVUPS, at(RCX), zmm(i));
            a.op(Alu.ADD, RCX, R8);
        }
        for (Gpr base : bases) {
            a.op(Alu.ADD, base, SIDE * type.bytes);
        }
        a.op(Alu.SUB, RDX, SIDE);
        a.jump(Condition.ABOVE_OR_EQUAL, whole);
        a.bind(rest);
        a.op(Alu.ADD, RDX, SIDE);
        a.jump(Condition.EQUAL, end);
        for (int i = 0; i < SIDE; i++) {
            load(a, type, zmm(i), line(bases, Math.min(i, lines - 1)), 1);
        }
        transpose(a);
        for (int i = 0; i < SIDE - 1; i++) {
            a.op(VectorOp.VMOVUPS, at(RCX), zmm(i));
            a.op(Alu.ADD, RCX, R8);
            a.decrement(RDX);
            a.jump(Condition.EQUAL, end);
        }
        a.bind(end);
        a.pop(RBX);
        a.vzeroupper();
        a.ret();
        return a;
    }

    private static Mem line(Gpr[] bases, int i) {
        Gpr base = bases[i / 4];
        return switch (i % 4) {
            case 0 -> at(base);
            case 1 -> at(base, RSI, 1);
            case 2 -> at(base, RSI, 2);
            default -> at(base, RAX, 1);
        };
    }

    /** @param mask number of the register with the elements to read; the others become 0; 0 for all */
    static void load(Assembler a, Element type, Vec to, Mem from, int mask) {
        Vec masked = mask == 0 ? to : to.zeroing(k(mask));
        switch (type) {
            case F32 -> a.op(VectorOp.VMOVUPS, masked, from);
            case F16 -> a.op(VectorOp.VCVTPH2PS, masked, from);
            case BF16 -> { // the upper half of an f32
                a.op(VectorOp.VPMOVZXWD, masked, from);
                a.op(VectorOp.VPSLLD, to, to, 16);
            }
        }
    }

    /** The 16 x 16 elements of zmm0 to zmm15, in place; all other vectors change. */
    static void transpose(Assembler a) {
        for (int i = 0; i < SIDE; i += 2) { // pairs of lines
            a.op(VectorOp.VUNPCKLPS, zmm(16 + i), zmm(i), zmm(i + 1));
            a.op(VectorOp.VUNPCKHPS, zmm(17 + i), zmm(i), zmm(i + 1));
        }
        for (int i = 0; i < SIDE; i += 4) { // fours: column 4 l + c of the lines in quarter l of zmm(i + c)
            for (int c = 0; c < 2; c++) {
                a.op(VectorOp.VSHUFPS, zmm(i + 2 * c), zmm(16 + i + c), zmm(18 + i + c), 0x44);
                a.op(VectorOp.VSHUFPS, zmm(i + 2 * c + 1), zmm(16 + i + c), zmm(18 + i + c), 0xee);
            }
        }
        for (int c = 0; c < 4; c++) {
            a.op(VectorOp.VSHUFF32X4, zmm(16 + c), zmm(c), zmm(4 + c), 0x44);
            a.op(VectorOp.VSHUFF32X4, zmm(20 + c), zmm(c), zmm(4 + c), 0xee);
            a.op(VectorOp.VSHUFF32X4, zmm(24 + c), zmm(8 + c), zmm(12 + c), 0x44);
            a.op(VectorOp.VSHUFF32X4, zmm(28 + c), zmm(8 + c), zmm(12 + c), 0xee);
        }
        for (int c = 0; c < 4; c++) {
            a.op(VectorOp.VSHUFF32X4, zmm(c), zmm(16 + c), zmm(24 + c), 0x88);
            a.op(VectorOp.VSHUFF32X4, zmm(4 + c), zmm(16 + c), zmm(24 + c), 0xdd);
            a.op(VectorOp.VSHUFF32X4, zmm(8 + c), zmm(20 + c), zmm(28 + c), 0x88);
            a.op(VectorOp.VSHUFF32X4, zmm(12 + c), zmm(20 + c), zmm(28 + c), 0xdd);
        }
    }

    /**
     * {@code (source, bytes from a line to the next, lines (at least 1), target, bytes from a stored line to the next,
     * mask)}: copies lines of up to 16 or 32 elements. The mask has a bit for each element of a line; behind them, zeros
     * are stored.
     *
     * @param vectors 1 or 2: of how many a stored line consists
     */
    public static Assembler lines(int vectors, Element type) {
        Assembler a = new Assembler();
        Label four = new Label();
        Label rest = new Label();
        Label one = new Label();
        Label end = new Label();
        a.op(VectorOp.KMOVW, k(1), R9);
        a.op(Shift.SHR, R9, 16);
        a.op(VectorOp.KMOVW, k(2), R9);
        a.op(Alu.SUB, RDX, 4);
        a.jump(Condition.BELOW, rest);
        a.align(16);
        a.bind(four);
        for (int i = 0; i < 4; i++) {
            for (int v = 0; v < vectors; v++) {
                load(a, type, zmm(i * vectors + v), at(RDI, v * SIDE * type.bytes), 1 + v);
            }
            a.op(Alu.ADD, RDI, RSI);
        }
        for (int i = 0; i < 4; i++) {
            for (int v = 0; v < vectors; v++) {
                a.op(VectorOp.VMOVUPS, at(RCX, 64 * v), zmm(i * vectors + v));
            }
            a.op(Alu.ADD, RCX, R8);
        }
        a.op(Alu.SUB, RDX, 4);
        a.jump(Condition.ABOVE_OR_EQUAL, four);
        a.bind(rest);
        a.op(Alu.ADD, RDX, 4);
        a.jump(Condition.EQUAL, end);
        a.bind(one);
        for (int v = 0; v < vectors; v++) {
            load(a, type, zmm(v), at(RDI, v * SIDE * type.bytes), 1 + v);
            a.op(VectorOp.VMOVUPS, at(RCX, 64 * v), zmm(v));
        }
        a.op(Alu.ADD, RDI, RSI);
        a.op(Alu.ADD, RCX, R8);
        a.decrement(RDX);
        a.jump(Condition.NOT_EQUAL, one);
        a.bind(end);
        a.vzeroupper();
        a.ret();
        return a;
    }

    /**
     * {@code (source, bytes from a line to the next, lines (at least 1), target, bytes from a panel to the next, panels (at
     * least 1))}: copies lines of several panels of 32 elements, each of which gets its lines one after the other. A line
     * of all panels at a time, as lines mostly lie on pages of their own; four lines ahead are fetched meanwhile.
     */
    public static Assembler panels(Element type) {
        Assembler a = new Assembler();
        Label line = new Label();
        Label panel = new Label();
        a.align(16);
        a.bind(line);
        a.mov(RAX, RDI);
        a.mov(R10, RCX);
        a.mov(R11, R9);
        a.bind(panel);
        for (int v = 0; v < 2; v++) {
            a.op(Prefetch.PREFETCHT0, at(RAX, RSI, 4).plus(v * SIDE * type.bytes));
            load(a, type, zmm(v), at(RAX, v * SIDE * type.bytes), 0);
            a.op(VectorOp.VMOVUPS, at(R10, 64 * v), zmm(v));
        }
        a.op(Alu.ADD, RAX, 2 * SIDE * type.bytes);
        a.op(Alu.ADD, R10, R8);
        a.decrement(R11);
        a.jump(Condition.NOT_EQUAL, panel);
        a.op(Alu.ADD, RDI, RSI);
        a.op(Alu.ADD, RCX, 2 * SIDE * Float.BYTES);
        a.decrement(RDX);
        a.jump(Condition.NOT_EQUAL, line);
        a.vzeroupper();
        a.ret();
        return a;
    }
}
