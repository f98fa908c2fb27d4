package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.R10;
import static io.quern.tensor.cpu.x86.Gpr.R11;
import static io.quern.tensor.cpu.x86.Gpr.R12;
import static io.quern.tensor.cpu.x86.Gpr.R13;
import static io.quern.tensor.cpu.x86.Gpr.R14;
import static io.quern.tensor.cpu.x86.Gpr.R15;
import static io.quern.tensor.cpu.x86.Gpr.R8;
import static io.quern.tensor.cpu.x86.Gpr.R9;
import static io.quern.tensor.cpu.x86.Gpr.RAX;
import static io.quern.tensor.cpu.x86.Gpr.RBP;
import static io.quern.tensor.cpu.x86.Gpr.RBX;
import static io.quern.tensor.cpu.x86.Gpr.RCX;
import static io.quern.tensor.cpu.x86.Gpr.RDI;
import static io.quern.tensor.cpu.x86.Gpr.RDX;
import static io.quern.tensor.cpu.x86.Gpr.RSI;
import static io.quern.tensor.cpu.x86.Mask.k;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.zmm;

/**
 * Writes the inner kernel of a matrix product: one panel of B, up to 32 columns, times a number of tiles of A of up to 14
 * rows each, over one stretch of k; sums stay in registers and go to C at the end of each tile.
 *
 * <p>A function takes the address of the arguments below (all of 64 bits), and those of the first tile of A, the panel
 * of B, the first tile of C, and the number of tiles. Each element of C is summed over k in rising order by fused
 * multiply-adds; what is in C and then the bias is added to that sum.
 *
 * <p>Memory is fetched ahead in the multiply-adds' shadow: at first the lines of C that the tile will go to, then, one
 * step for two k, what the caller will pack next. The loop takes two k at a time: with 28 multiply-adds, 16 loads and
 * two additions each, it runs at 97 to 98 % of the rate of multiply-adds alone; four at a time reach 93 %, one 91 %.
 */
public final class GemmTileCode {
    /** Most rows of a tile. */
    public static final int ROWS = 14;

    /** Columns of two vectors. */
    public static final int COLUMNS = 32;

    // Offsets of the arguments. Distances and strides are in bytes.

    /** Length of the sum. */
    public static final int K = 0;
    /** From a tile of A to the next. */
    public static final int A_TILE = 8;
    /** From a k of A to the next ({@link Left#COLUMNS}), or from a row to the next ({@link Left#ROWS}). */
    public static final int A_STEP = 16;
    /** From a k of B to the next, unless it is packed. */
    public static final int B_STEP = 24;
    /** From a row of C to the next. */
    public static final int C_ROW = 32;
    /** From a tile of C to the next. */
    public static final int C_TILE = 40;
    /** Whether to add to C: 1, or 0 to overwrite it. */
    public static final int ADD = 48;
    /** Address of the bias of the first column, or 0. */
    public static final int BIAS = 56;
    /** A bit for each column that C and the bias have. */
    public static final int MASK = 64;
    /** Steps of fetching ahead for each tile. */
    public static final int STEPS = 72;
    /** Pairs of k from a step to the next, at least 1. */
    public static final int PAIRS = 160;
    /** Pairs of k between fetches of a row of C, at least 1. */
    public static final int C_PAIRS = 168;
    /** Address of the next step; each fetches the line there and the one {@link #OTHER} further. Is counted on. */
    public static final int NEXT = 80;
    /** From a step to the next. */
    public static final int STEP = 88;

    public static final int OTHER = 96;
    /** To go on by in addition, after each {@link #INNER} steps. */
    public static final int WRAP = 104;

    public static final int INNER = 112;
    /** Steps until then. Is counted down. */
    public static final int LEFT = 120;

    private static final int A_NOW = 128;
    private static final int B_NOW = 136;
    private static final int C_NOW = 144;
    private static final int TILES = 152;

    /** Bytes of the arguments. */
    public static final int BYTES = 176;

    /** How a tile of A lies in memory. */
    public enum Left {
        /** By columns, without gaps. */
        PACKED,
        /** By columns. */
        COLUMNS,
        /** By rows. */
        ROWS
    }

    private final Assembler a = new Assembler();
    private final int rows;
    private final int vectors;
    private final Left left;
    private final boolean packed;

    private GemmTileCode(int rows, int vectors, Left left, boolean packed) {
        this.rows = rows;
        this.vectors = vectors;
        this.left = left;
        this.packed = packed;
    }

    /**
     * @param rows of a tile, 1 to 14
     * @param vectors 1 for up to 16 columns, 2 for up to 32
     * @param packed whether the panel of B has 16 or 32 columns without gaps; else whole vectors are read all the same
     */
    public static Assembler write(int rows, int vectors, Left left, boolean packed) {
        if (rows < 1 || rows > ROWS || vectors < 1 || vectors > 2) {
            throw new IllegalArgumentException("no tile of " + rows + " rows and " + vectors + " vectors");
        }
        GemmTileCode code = new GemmTileCode(rows, vectors, left, packed);
        code.all();
        return code.a;
    }

    private void all() {
        Gpr[] saved = {RBX, RBP, R12, R13, R14, R15};
        a.save(saved);
        a.mov(at(RDI, A_NOW), RSI);
        a.mov(at(RDI, B_NOW), RDX);
        a.mov(at(RDI, C_NOW), RCX);
        a.mov(at(RDI, TILES), R8);
        a.mov(RAX, at(RDI, MASK));
        a.op(VectorOp.KMOVW, k(1), RAX);
        a.op(Shift.SHR, RAX, 16);
        a.op(VectorOp.KMOVW, k(2), RAX);
        a.mov(R13, at(RDI, A_STEP));
        a.mov(R14, at(RDI, B_STEP));
        a.mov(RBX, at(RDI, NEXT));
        a.mov(RBP, at(RDI, STEP));
        a.mov(RAX, at(RDI, LEFT));
        Label tile = new Label();
        a.align(16);
        a.bind(tile);
        sums();
        toC();
        a.mov(RCX, at(RDI, A_NOW));
        a.op(Alu.ADD, RCX, at(RDI, A_TILE));
        a.mov(at(RDI, A_NOW), RCX);
        a.mov(RCX, at(RDI, C_NOW));
        a.op(Alu.ADD, RCX, at(RDI, C_TILE));
        a.mov(at(RDI, C_NOW), RCX);
        a.mov(RCX, at(RDI, TILES));
        a.decrement(RCX);
        a.mov(at(RDI, TILES), RCX);
        a.jump(Condition.NOT_EQUAL, tile);
        a.mov(at(RDI, NEXT), RBX);
        a.mov(at(RDI, LEFT), RAX);
        a.restoreAndReturn(saved);
    }

    private Vec sum(int row, int vector) {
        return zmm(row * vectors + vector);
    }

    /** Of B. */
    private Vec right(int vector) {
        return zmm(28 + vector);
    }

    /** All sums of a tile. */
    private void sums() {
        a.mov(RSI, at(RDI, A_NOW));
        a.mov(RDX, at(RDI, B_NOW));
        if (left == Left.ROWS) { // rows 0 to 4 from rsi, 5 to 9 from r8, the others from r9
            a.lea(R8, at(RSI, R13, 4));
            a.op(Alu.ADD, R8, R13);
            a.lea(R9, at(R8, R13, 4));
            a.op(Alu.ADD, R9, R13);
            a.lea(R10, at(R13, R13, 2));
        }
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                a.op(VectorOp.VPXORD, sum(i, v), sum(i, v), sum(i, v));
            }
        }
        a.mov(R12, at(RDI, K));
        a.op(Shift.SHR, R12, 1);
        a.mov(R15, at(RDI, C_NOW));
        a.mov(R11, rows);
        steps(C_PAIRS, () -> {
            a.op(Prefetch.PREFETCHT0, at(R15));
            if (vectors == 2) {
                a.op(Prefetch.PREFETCHT0, at(R15, 64));
            }
            a.op(Prefetch.PREFETCHT0, at(R15, 64 * vectors - 4));
            a.op(Alu.ADD, R15, at(RDI, C_ROW));
        });
        a.mov(R15, at(RDI, OTHER));
        a.mov(R11, at(RDI, STEPS));
        steps(PAIRS, () -> {
            Label on = new Label();
            a.op(Prefetch.PREFETCHT1, at(RBX));
            a.op(Prefetch.PREFETCHT1, at(RBX, R15, 1));
            a.op(Alu.ADD, RBX, RBP);
            a.decrement(RAX);
            a.jump(Condition.NOT_EQUAL, on);
            a.op(Alu.ADD, RBX, at(RDI, WRAP));
            a.mov(RAX, at(RDI, INNER));
            a.bind(on);
        });
        Label none = new Label();
        a.mov(RCX, R12);
        a.test(RCX, RCX);
        a.jump(Condition.EQUAL, none);
        pairs();
        a.bind(none);
        Label even = new Label();
        a.mov(RCX, at(RDI, K));
        a.op(Alu.AND, RCX, 1);
        a.jump(Condition.EQUAL, even);
        multiply(0);
        a.bind(even);
    }

    /** As many steps as r11 says and fit into the pairs of k in r12, which is counted down. */
    private void steps(int each, Runnable step) {
        Label again = new Label();
        Label end = new Label();
        a.bind(again);
        a.test(R11, R11);
        a.jump(Condition.EQUAL, end);
        a.mov(RCX, at(RDI, each));
        a.op(Alu.CMP, R12, RCX);
        a.jump(Condition.BELOW, end);
        a.op(Alu.SUB, R12, RCX);
        a.decrement(R11);
        step.run();
        pairs();
        a.jump(again);
        a.bind(end);
    }

    /** As many pairs of k as rcx says, at least one. */
    private void pairs() {
        Label again = new Label();
        a.align(32);
        a.bind(again);
        multiply(0);
        multiply(1);
        forward(2);
        a.decrement(RCX);
        a.jump(Condition.NOT_EQUAL, again);
    }

    /** The multiply-adds of a k; {@code second} of two has offsets where the distance of a k is constant. */
    private void multiply(int second) {
        if (second == 1 && !packed) {
            a.op(Alu.ADD, RDX, R14);
        }
        if (second == 1 && left == Left.COLUMNS) {
            a.op(Alu.ADD, RSI, R13);
        }
        for (int v = 0; v < vectors; v++) {
            a.op(VectorOp.VMOVUPS, right(v), at(RDX, 64 * v + (packed ? second * 64 * vectors : 0)));
        }
        for (int i = 0; i < rows; i++) {
            Vec element = zmm(30 + i % 2);
            a.op(VectorOp.VBROADCASTSS, element, element(i, second));
            for (int v = 0; v < vectors; v++) {
                a.op(VectorOp.VFMADD231PS, sum(i, v), element, right(v));
            }
        }
    }

    private Mem element(int row, int second) {
        if (left != Left.ROWS) {
            return at(RSI, 4 * row + (left == Left.PACKED ? second * 4 * rows : 0));
        }
        Gpr base = row < 5 ? RSI : row < 10 ? R8 : R9;
        Mem place = switch (row % 5) {
            case 0 -> at(base);
            case 1 -> at(base, R13, 1);
            case 2 -> at(base, R13, 2);
            case 3 -> at(base, R10, 1);
            default -> at(base, R13, 4);
        };
        return place.plus(4 * second);
    }

    private void forward(int steps) {
        if (packed) {
            a.op(Alu.ADD, RDX, steps * 64 * vectors);
        } else {
            a.op(Alu.ADD, RDX, R14);
        }
        switch (left) {
            case PACKED -> a.op(Alu.ADD, RSI, steps * 4 * rows);
            case COLUMNS -> a.op(Alu.ADD, RSI, R13);
            case ROWS -> {
                a.op(Alu.ADD, RSI, 4 * steps);
                if (rows > 5) {
                    a.op(Alu.ADD, R8, 4 * steps);
                }
                if (rows > 10) {
                    a.op(Alu.ADD, R9, 4 * steps);
                }
            }
        }
    }

    private void toC() {
        Label overwrite = new Label();
        Label plain = new Label();
        a.mov(R11, at(RDI, C_ROW));
        a.mov(RCX, at(RDI, ADD));
        a.test(RCX, RCX);
        a.jump(Condition.EQUAL, overwrite);
        a.mov(R15, at(RDI, C_NOW));
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                a.op(VectorOp.VADDPS, sum(i, v).zeroing(k(1 + v)), sum(i, v), at(R15, 64 * v));
            }
            a.op(Alu.ADD, R15, R11);
        }
        a.bind(overwrite);
        a.mov(RCX, at(RDI, BIAS));
        a.test(RCX, RCX);
        a.jump(Condition.EQUAL, plain);
        for (int v = 0; v < vectors; v++) {
            a.op(VectorOp.VMOVUPS, right(v).zeroing(k(1 + v)), at(RCX, 64 * v));
        }
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                a.op(VectorOp.VADDPS, sum(i, v), sum(i, v), right(v));
            }
        }
        a.bind(plain);
        a.mov(R15, at(RDI, C_NOW));
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                a.op(VectorOp.VMOVUPS, at(R15, 64 * v), sum(i, v).merging(k(1 + v)));
            }
            a.op(Alu.ADD, R15, R11);
        }
    }
}
