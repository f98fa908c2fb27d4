package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.AmxTileCode.PART;
import static io.quern.tensor.cpu.x86.AmxTileCode.TILE;
import static io.quern.tensor.cpu.x86.Gpr.R10;
import static io.quern.tensor.cpu.x86.Gpr.R11;
import static io.quern.tensor.cpu.x86.Gpr.R12;
import static io.quern.tensor.cpu.x86.Gpr.R13;
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

import io.quern.tensor.cpu.x86.GemmPackCode.Element;

/**
 * Writes the functions that pack matrices into tiles for {@link AmxTileCode}, and split each number into up to three in bf16
 * whose sum it is: the upper 16 bits, so that large numbers do not overflow, then the rest rounded, so that what a product
 * leaves out has no sign in common, then what remains, which eight bits hold. BF16 is its own first part, F16 is the sum of
 * two.
 *
 * <p>Only elements inside the lines are read. What an infinite number or NaN leaves as rest is NaN.
 */
public final class AmxPackCode {
    private static final int SIDE = 16;

    /** Elements of k in a tile. */
    private static final int DEPTH = 32;

    private static final Vec UPPER = zmm(31); // mask of the upper half of each element
    private static final Vec HALF = zmm(30); // half of the last place of that half

    private final Assembler a = new Assembler();
    private final Element type;
    private final int parts;

    private AmxPackCode(Element type, int parts) {
        this.type = type;
        this.parts = parts;
    }

    /**
     * {@code (source, bytes from a line to the next, lines (1 to 16), target, elements of a line (at least 1), mask)}: lines
     * along k, one to each row of a tile; rows past the last line repeat it. The mask has a bit for each element that a line
     * has beyond a multiple of 32. Tiles of a part are {@link AmxTileCode#PART} times {@code parts} bytes apart.
     */
    public static Assembler rows(Element type, int parts) {
        return new AmxPackCode(type, parts).rows();
    }

    /**
     * {@code (source, bytes from a line to the next, lines (at least 1), target, panels (at least 1) * 2^32 + mask, bytes
     * from a panel to the next)}: lines across k, two to each row of a tile as pairs; missing ones are zeros. The mask has a
     * bit for each element of a line of 32 that a panel has; behind them are zeros. A line of all panels at a time, as lines
     * mostly lie on pages of their own; some lines ahead are fetched meanwhile.
     */
    public static Assembler pairs(Element type, int parts) {
        return new AmxPackCode(type, parts).pairs();
    }

    /** {@code (tiles, count)}: makes columns of the rows of tiles, pairs of bf16 staying as they are. */
    public static Assembler transposing() {
        Assembler a = new Assembler();
        Label loop = new Label();
        a.align(16);
        a.bind(loop);
        for (int i = 0; i < SIDE; i++) {
            a.op(VectorOp.VMOVUPS, zmm(i), at(RDI, 64 * i));
        }
        GemmPackCode.transpose(a);
        for (int i = 0; i < SIDE; i++) {
            a.op(VectorOp.VMOVUPS, at(RDI, 64 * i), zmm(i));
        }
        a.op(Alu.ADD, RDI, TILE);
        a.decrement(RSI);
        a.jump(Condition.NOT_EQUAL, loop);
        a.vzeroupper();
        a.ret();
        return a;
    }

    private void constants() {
        a.mov(RAX, 0xffff_0000L);
        a.op(VectorOp.VPBROADCASTD, UPPER, RAX);
        a.mov(RAX, 0x8000);
        a.op(VectorOp.VPBROADCASTD, HALF, RAX);
    }

    private void end() {
        a.vzeroupper();
        a.ret();
    }

    private Assembler rows() {
        Label whole = new Label();
        Label rest = new Label();
        Label end = new Label();
        constants();
        a.op(VectorOp.KMOVW, k(1), R9);
        a.op(Shift.SHR, R9, SIDE);
        a.op(VectorOp.KMOVW, k(2), R9);
        a.mov(R9, RDX); // lines
        a.op(Alu.SUB, R8, DEPTH);
        a.jump(Condition.BELOW, rest);
        a.align(16);
        a.bind(whole);
        tileOfRows(false);
        a.op(Alu.ADD, RDI, DEPTH * type.bytes);
        a.op(Alu.ADD, RCX, parts * PART);
        a.op(Alu.SUB, R8, DEPTH);
        a.jump(Condition.ABOVE_OR_EQUAL, whole);
        a.bind(rest);
        a.op(Alu.ADD, R8, DEPTH);
        a.jump(Condition.EQUAL, end);
        tileOfRows(true);
        a.bind(end);
        end();
        return a;
    }

    private void tileOfRows(boolean masked) {
        Label line = new Label();
        Label again = new Label();
        Label full = new Label();
        a.mov(R10, RDI);
        a.mov(R11, R9);
        a.mov(RAX, RCX);
        a.bind(line);
        for (int v = 0; v < 2; v++) {
            GemmPackCode.load(a, type, zmm(v), at(R10, v * SIDE * type.bytes), masked ? 1 + v : 0);
        }
        if (!masked) {
            a.op(Prefetch.PREFETCHT0, at(R10, 4 * DEPTH * type.bytes));
            if (type == Element.F32) {
                a.op(Prefetch.PREFETCHT0, at(R10, 4 * DEPTH * type.bytes + 64));
            }
        }
        for (int p = 0; p < parts; p++) {
            Vec[] part = {zmm(0), zmm(1)};
            for (int v = 0; v < 2 && p < parts - 1; v++) { // the last part is what is left
                part[v] = zmm(2 + v);
                a.op(VectorOp.VPANDD, part[v], upper(zmm(v), zmm(4 + v), p), UPPER);
            }
            a.op(VectorOp.VCVTNE2PS2BF16, zmm(8 + p), part[1], part[0]);
            for (int v = 0; v < 2 && p < parts - 1; v++) {
                a.op(VectorOp.VSUBPS, zmm(v), zmm(v), part[v]);
            }
        }
        storeRow();
        a.op(Alu.ADD, R10, RSI);
        a.decrement(R11);
        a.jump(Condition.NOT_EQUAL, line);
        a.mov(R11, SIDE);
        a.op(Alu.SUB, R11, R9);
        a.jump(Condition.EQUAL, full);
        a.bind(again);
        storeRow();
        a.decrement(R11);
        a.jump(Condition.NOT_EQUAL, again);
        a.bind(full);
    }

    /** The number whose upper half is the next part: the first one is cut off, the second one rounded. */
    private Vec upper(Vec number, Vec other, int part) {
        if (part == 0) {
            return number;
        }
        a.op(VectorOp.VPADDD, other, number, HALF);
        return other;
    }

    private void storeRow() {
        for (int p = 0; p < parts; p++) {
            a.op(VectorOp.VMOVUPS, at(RAX, p * PART), zmm(8 + p));
        }
        a.op(Alu.ADD, RAX, 64);
    }

    private Assembler pairs() {
        Label tile = new Label();
        Label pair = new Label();
        Label single = new Label();
        Label zeros = new Label();
        Label fill = new Label();
        Label end = new Label();
        Gpr[] saved = {RBX, R12, R13};
        a.save(saved);
        constants();
        a.op(VectorOp.KMOVW, k(1), R8);
        a.mov(RBX, R8);
        a.op(Shift.SHR, RBX, SIDE);
        a.op(VectorOp.KMOVW, k(2), RBX);
        a.op(Shift.SHR, R8, 32); // panels
        a.bind(tile);
        a.mov(R11, SIDE); // pairs of a tile
        a.mov(RAX, RCX);
        a.align(16);
        a.bind(pair);
        a.op(Alu.SUB, RDX, 2);
        a.jump(Condition.BELOW, single);
        eachPanel(() -> {
            for (int v = 0; v < 2; v++) {
                int at = v * SIDE * type.bytes;
                GemmPackCode.load(a, type, zmm(v), at(R10, at), 1 + v);
                GemmPackCode.load(a, type, zmm(2 + v), at(R10, RSI, 1).plus(at), 1 + v);
                if (v == 0 || type == Element.F32) { // else both lie in a line of the cache
                    a.op(Prefetch.PREFETCHT0, at(R10, RSI, 8).plus(at));
                    a.op(Prefetch.PREFETCHT0, at(R10, RBX, 1).plus(at));
                }
            }
            storePair();
        });
        a.lea(RDI, at(RDI, RSI, 2));
        a.op(Alu.ADD, RAX, 64);
        a.decrement(R11);
        a.jump(Condition.NOT_EQUAL, pair);
        a.op(Alu.ADD, RCX, parts * PART);
        a.test(RDX, RDX);
        a.jump(Condition.NOT_EQUAL, tile);
        a.jump(end);
        a.bind(single);
        a.op(Alu.ADD, RDX, 2);
        a.jump(Condition.EQUAL, zeros);
        eachPanel(() -> {
            for (int v = 0; v < 2; v++) {
                GemmPackCode.load(a, type, zmm(v), at(R10, v * SIDE * type.bytes), 1 + v);
                a.op(VectorOp.VPXORD, zmm(2 + v), zmm(2 + v), zmm(2 + v));
            }
            storePair();
        });
        a.op(Alu.ADD, RAX, 64);
        a.decrement(R11);
        a.jump(Condition.EQUAL, end);
        a.bind(zeros);
        a.op(VectorOp.VPXORD, zmm(0), zmm(0), zmm(0));
        a.bind(fill);
        eachPanel(() -> {
            for (int p = 0; p < parts; p++) {
                for (int v = 0; v < 2; v++) {
                    a.op(VectorOp.VMOVUPS, at(R13, p * PART + v * TILE), zmm(0));
                }
            }
        });
        a.op(Alu.ADD, RAX, 64);
        a.decrement(R11);
        a.jump(Condition.NOT_EQUAL, fill);
        a.bind(end);
        for (int i = saved.length - 1; i >= 0; i--) {
            a.pop(saved[i]);
        }
        end();
        return a;
    }

    /** With r10 at the first element of a line that a panel needs, and r13 at its row of the tile. */
    private void eachPanel(Runnable step) {
        Label panel = new Label();
        a.mov(R10, RDI);
        a.mov(R13, RAX);
        a.mov(R12, R8);
        a.lea(RBX, at(RSI, RSI, 8));
        a.bind(panel);
        step.run();
        a.op(Alu.ADD, R10, 2 * SIDE * type.bytes);
        a.op(Alu.ADD, R13, R9);
        a.decrement(R12);
        a.jump(Condition.NOT_EQUAL, panel);
    }

    /** Splits zmm0 and zmm1, and zmm2 and zmm3 of the next k, and stores the words of both. */
    private void storePair() {
        for (int p = 0; p < parts; p++) {
            boolean last = p == parts - 1;
            for (int v = 0; v < 2; v++) {
                Vec lower = zmm(v);
                Vec higher = zmm(2 + v);
                Vec word = zmm(4 + v);
                Vec first = last ? lower : upper(lower, zmm(6 + v), p);
                Vec second = last ? higher : upper(higher, zmm(8 + v), p);
                a.op(VectorOp.VPSRLD, word, first, 16);
                a.op(VectorOp.VPTERNLOGD, word, second, UPPER, 0xf8); // word | second & UPPER
                a.op(VectorOp.VMOVUPS, at(R13, p * PART + v * TILE), word);
                if (!last) {
                    a.op(VectorOp.VPANDD, zmm(10), first, UPPER);
                    a.op(VectorOp.VSUBPS, lower, lower, zmm(10));
                    a.op(VectorOp.VPANDD, zmm(11), second, UPPER);
                    a.op(VectorOp.VSUBPS, higher, higher, zmm(11));
                }
            }
        }
    }
}
