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
import static io.quern.tensor.cpu.x86.Gpr.RBX;
import static io.quern.tensor.cpu.x86.Gpr.RCX;
import static io.quern.tensor.cpu.x86.Gpr.RDI;
import static io.quern.tensor.cpu.x86.Gpr.RDX;
import static io.quern.tensor.cpu.x86.Gpr.RSI;
import static io.quern.tensor.cpu.x86.Mask.k;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Tile.tmm;
import static io.quern.tensor.cpu.x86.Vec.zmm;

/**
 * Writes the inner loop of matrix products on the tiles of AMX: blocks of 32 x 32 elements of C, four tiles of sums in f32,
 * each the sum of products in bf16 of packed operands.
 *
 * <p>A number in f32 is the sum of three in bf16, and a product of two in bf16 is exact in f32; so a product of sums takes a
 * pass over the tiles for each pair of parts. Pairs of the second order are the last that count: those beyond are below
 * 2^-23 of the product. Small parts are added before large ones, and parts change one at a time, so that few are loaded.
 *
 * <p>A packed block of A has, for each 32 of k, for each part, two tiles of 16 rows; a packed panel of B has two tiles of 16
 * columns likewise, a row of which holds pairs of k.
 *
 * <p>A block that does not come out finite is left alone and told: an infinite number's other parts are no numbers, and
 * neither are infinity times a part that is zero and sums that overflow on the way.
 */
public final class AmxTileCode {
    /** Rows and columns of a block. */
    public static final int SIDE = 32;

    /** Elements of k in a tile. */
    public static final int DEPTH = 32;

    /** Bytes of a tile. */
    public static final int TILE = 1024;

    /** Bytes of a part of a packed block or panel for one tile's k. */
    public static final int PART = 2 * TILE;

    // Arguments in memory: offsets of 8 bytes each.

    /** Steps of 32 along k. */
    public static final int STEPS = 0;

    /** Bytes from a block of A, a panel of B, and a place in C to the next. */
    public static final int A_BLOCK = 8;

    public static final int B_BLOCK = 16;
    public static final int C_BLOCK = 24;

    /** Bytes from a row of C to the next. */
    public static final int C_ROW = 32;

    /** Rows of each block to be stored. */
    public static final int ROWS = 40;

    /** Has a bit for each column to be stored. */
    public static final int MASK = 48;

    /** Whether to add to C. */
    public static final int ADD = 56;

    /** Address of the bias of the first column, or 0; and bytes to that of the next block. */
    public static final int BIAS = 64;

    public static final int BIAS_BLOCK = 72;

    private static final int SUMS = 128;
    private static final int ROW = 2 * 64; // bytes of a row of sums

    /** Bytes of the arguments and of room for sums; they begin at a cache line. */
    public static final int BYTES = SUMS + SIDE * ROW;

    /** Pairs of parts in the order in which they are added. */
    private static final int[][] PASSES = {{0, 2}, {0, 1}, {1, 1}, {1, 0}, {2, 0}, {0, 0}};

    private final Assembler a = new Assembler();
    private final int left;
    private final int right;

    private AmxTileCode(int left, int right) {
        this.left = left;
        this.right = right;
    }

    /**
     * {@code (arguments, A, B, C, blocks (at least 1))}: multiplies so many blocks. Returns how many are left when one did
     * not come out finite, that one included, which is not written; 0 when all are.
     *
     * @param left parts of the numbers of A, 1 to 3
     * @param right parts of the numbers of B, 1 to 3
     */
    public static Assembler write(int left, int right) {
        return new AmxTileCode(left, right).write();
    }

    /** How many passes products of so many parts take. */
    public static int passes(int left, int right) {
        int count = 0;
        for (int[] p : PASSES) {
            count += p[0] < left && p[1] < right ? 1 : 0;
        }
        return count;
    }

    private Assembler write() {
        Label block = new Label();
        Label end = new Label();
        Label shapes = new Label();
        Gpr[] saved = {RBX, R12, R13, R14, R15};
        a.save(saved);
        a.op(TileOp.LDTILECFG, at(shapes));
        a.mov(R14, 64);
        a.mov(RBX, ROW);
        a.mov(RAX, at(RDI, MASK));
        a.op(VectorOp.KMOVW, k(1), RAX);
        a.op(Shift.SHR, RAX, 16);
        a.op(VectorOp.KMOVW, k(2), RAX);
        a.mov(R9, at(RDI, BIAS));
        a.bind(block);
        sums();
        finite(end);
        toC();
        a.op(Alu.ADD, RSI, at(RDI, A_BLOCK));
        a.op(Alu.ADD, RDX, at(RDI, B_BLOCK));
        a.op(Alu.ADD, RCX, at(RDI, C_BLOCK));
        a.op(Alu.ADD, R9, at(RDI, BIAS_BLOCK));
        a.decrement(R8);
        a.jump(Condition.NOT_EQUAL, block);
        a.bind(end);
        a.op(TileOp.TILERELEASE);
        a.mov(RAX, R8);
        a.restoreAndReturn(saved);
        a.align(64);
        a.bind(shapes);
        shapes();
        return a;
    }

    /** Palette 1; eight tiles of 16 rows and 64 bytes. */
    private void shapes() {
        a.ints(1, 0, 0, 0);
        for (int i = 0; i < 4; i++) {
            a.ints(64 << 16 | 64);
        }
        a.ints(0, 0, 0, 0);
        a.ints(0x10101010, 0x10101010, 0, 0);
    }

    private void sums() {
        for (int i = 0; i < 4; i++) {
            a.op(TileOp.TILEZERO, tmm(i));
        }
        if (left > 1 && right > 1) {
            pass(0, PASSES.length - 1);
            pass(PASSES.length - 1, PASSES.length);
        } else {
            pass(0, PASSES.length);
        }
        for (int i = 0; i < 4; i++) {
            a.op(TileOp.TILESTORED, at(RDI, RBX, 1).plus(SUMS + i / 2 * 16 * ROW + i % 2 * 64), tmm(i));
        }
    }

    private void pass(int from, int to) {
        Label loop = new Label();
        a.mov(R10, RSI);
        a.mov(R11, RDX);
        a.mov(R12, at(RDI, STEPS));
        a.mov(R13, at(RDI, C_ROW));
        a.mov(R15, RCX);
        a.align(32);
        a.bind(loop);
        int first = -1;
        int second = -1;
        for (int x = from; x < to; x++) {
            int[] pass = PASSES[x];
            if (pass[0] >= left || pass[1] >= right) {
                continue;
            }
            boolean loadsLeft = pass[0] != first;
            boolean loadsRight = pass[1] != second;
            first = pass[0];
            second = pass[1];
            for (int i = 0; i < 4; i++) {
                // pairs that share the tile loaded last come first
                int row = loadsLeft ? i / 2 : i % 2;
                int column = loadsLeft ? i % 2 : i / 2;
                if (loadsLeft && column == 0) {
                    a.op(TileOp.TILELOADD, tmm(4 + row), at(R10, R14, 1).plus(first * PART + row * TILE));
                }
                if (loadsRight && row == 0) {
                    a.op(TileOp.TILELOADD, tmm(6 + column), at(R11, R14, 1).plus(second * PART + column * TILE));
                }
                a.op(TileOp.TDPBF16PS, tmm(2 * row + column), tmm(4 + row), tmm(6 + column));
            }
        }
        for (int i = 0; i < 2; i++) { // rows of C that will be needed
            a.op(Prefetch.PREFETCHT0, at(R15));
            a.op(Prefetch.PREFETCHT0, at(R15, 64));
            a.op(Alu.ADD, R15, R13);
        }
        a.op(Alu.ADD, R10, left * PART);
        a.op(Alu.ADD, R11, right * PART);
        a.decrement(R12);
        a.jump(Condition.NOT_EQUAL, loop);
    }

    /** Leaves the loop if any sum is infinite or NaN: zero times such a one is NaN, and stays so when others are added. */
    private void finite(Label otherwise) {
        Vec zero = zmm(4);
        for (int i = 0; i < 5; i++) {
            a.op(VectorOp.VPXORD, zmm(i), zmm(i), zmm(i));
        }
        for (int i = 0; i < SIDE * ROW / 64; i++) {
            a.op(VectorOp.VFMADD231PS, zmm(i % 4), zero, at(RDI, SUMS + 64 * i));
        }
        a.op(VectorOp.VADDPS, zmm(0), zmm(0), zmm(1));
        a.op(VectorOp.VADDPS, zmm(2), zmm(2), zmm(3));
        a.op(VectorOp.VADDPS, zmm(0), zmm(0), zmm(2));
        a.op(VectorOp.VPTESTMD, k(3), zmm(0), zmm(0));
        a.op(VectorOp.KMOVW, RAX, k(3));
        a.test(RAX, RAX);
        a.jump(Condition.NOT_EQUAL, otherwise);
    }

    private void toC() {
        Label plain = new Label();
        Label noBias = new Label();
        Label hasBias = new Label();
        Label end = new Label();
        a.mov(RAX, at(RDI, BIAS));
        a.test(RAX, RAX);
        a.jump(Condition.EQUAL, noBias);
        for (int v = 0; v < 2; v++) {
            a.op(VectorOp.VMOVUPS, zmm(4 + v).zeroing(k(1 + v)), at(R9, 64 * v));
        }
        a.jump(hasBias);
        a.bind(noBias);
        a.mov(RAX, 0x8000_0000L); // -0, which changes nothing
        for (int v = 0; v < 2; v++) {
            a.op(VectorOp.VPBROADCASTD, zmm(4 + v), RAX);
        }
        a.bind(hasBias);
        a.mov(R15, RCX);
        a.lea(R10, at(RDI, SUMS));
        a.mov(R12, at(RDI, ROWS));
        a.mov(RAX, at(RDI, ADD));
        a.test(RAX, RAX);
        a.jump(Condition.EQUAL, plain);
        store(true);
        a.jump(end);
        a.bind(plain);
        store(false);
        a.bind(end);
    }

    private void store(boolean add) {
        Label row = new Label();
        a.align(16);
        a.bind(row);
        for (int v = 0; v < 2; v++) {
            a.op(VectorOp.VMOVUPS, zmm(v), at(R10, 64 * v));
            if (add) {
                a.op(VectorOp.VADDPS, zmm(v).zeroing(k(1 + v)), zmm(v), at(R15, 64 * v));
            }
            a.op(VectorOp.VADDPS, zmm(v), zmm(v), zmm(4 + v));
            a.op(VectorOp.VMOVUPS, at(R15, 64 * v), zmm(v).merging(k(1 + v)));
        }
        a.op(Alu.ADD, R10, ROW);
        a.op(Alu.ADD, R15, R13);
        a.decrement(R12);
        a.jump(Condition.NOT_EQUAL, row);
    }
}
