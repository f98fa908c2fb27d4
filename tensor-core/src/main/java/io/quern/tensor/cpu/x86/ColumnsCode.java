package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Alu.AND;
import static io.quern.tensor.cpu.x86.Alu.SUB;
import static io.quern.tensor.cpu.x86.Condition.EQUAL;
import static io.quern.tensor.cpu.x86.Condition.GREATER_OR_EQUAL;
import static io.quern.tensor.cpu.x86.Condition.LESS;
import static io.quern.tensor.cpu.x86.Condition.NOT_EQUAL;
import static io.quern.tensor.cpu.x86.Gpr.*;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.xmm;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * A stretch of rows of W times the elements of 1 to 4 rows of x that belong to them, for a W whose rows are contiguous.
 * Four rows of W at a time, from the four quarters of the stretch, so that where the columns are all of W each stream is
 * read on and on; the sums stay in the first-level cache. The order in which an element's products are added depends on
 * the number of rows alone.
 *
 * <p>{@code (parameters, W, y, rows, x, columns)}: W at the first row and column, x at the element of this row. y is set to
 * the sums. The parameters are words of 64 bits at the given places.
 */
public final class ColumnsCode {
    /** Most rows of x. */
    public static final int ROWS = 4;

    /** Bytes between rows of x. */
    public static final int X_ROW = 0;

    /** Bytes between rows of W. */
    public static final int W_ROW = 8;

    /** Bytes between rows of y. */
    public static final int Y_ROW = 16;

    /** Bytes of all parameters. */
    public static final int PARAMETERS = 24;

    private static final int STREAMS = 4;

    /** How far ahead each stream is loaded, in bytes. */
    private static final int AHEAD = 2048;

    private static final Mask REST = Mask.k(1);

    private final Assembler a = new Assembler();
    private final DType type;
    private final int rows;

    private ColumnsCode(DType type, int rows) {
        this.type = type;
        this.rows = rows;
    }

    /** Writes the function for F32, BF16 or F16 and a number of rows. */
    public static MemorySegment install(DType type, int rows) {
        ColumnsCode code = new ColumnsCode(type, rows);
        code.write();
        return MachineCode.install(code.a);
    }

    /** Whether there is a function for this format. */
    public static boolean has(DType type) {
        return type == DType.F32 || type == DType.BF16 || type == DType.F16;
    }

    // rax scratch; rsi W, r8 x and rcx rows left of each stream; rbx place in W, rbp place in y, r12 columns left;
    // rdx y, rdi parameters, r9 columns; r10 bytes between streams in x; r11 and r15 bytes between streams in W, once
    // and
    // three times; r14 and r13 bytes between rows of y, once and three times

    private static final Gpr[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    private Vec x(int stream, int row) {
        return zmm(ROWS * stream + row);
    }

    private static Vec sum(int vector, int row) {
        return zmm(16 + ROWS * vector + row);
    }

    private static final Vec WEIGHTS = zmm(31);

    private void write() {
        a.save(SAVED);
        Label masks = new Label();
        a.mov(RAX, R9);
        a.op(AND, RAX, 15);
        a.lea(RBX, at(masks));
        a.movInt(RAX, at(RBX, RAX, 4));
        a.op(KMOVD, REST, RAX);
        a.mov(R14, at(RDI, Y_ROW));
        a.lea(R13, at(R14, R14, 2));
        zero();
        a.push(RCX);
        a.op(Shift.SHR, RCX, 2);
        a.mov(R10, RCX);
        a.op(Shift.SHL, R10, 2);
        a.mov(R11, at(RDI, W_ROW));
        a.imul(R11, RCX);
        a.lea(R15, at(R11, R11, 2));
        rows(STREAMS);
        a.pop(RCX);
        a.op(AND, RCX, 3);
        a.op(ADD, RSI, R15);
        a.op(ADD, R8, R10);
        a.lea(R8, at(R8, R10, 2));
        rows(1);
        a.restoreAndReturn(SAVED);
        a.align(4);
        a.bind(masks);
        for (int i = 0; i < 16; i++) {
            a.ints((1 << i) - 1);
        }
    }

    private Mem y(int row) {
        return switch (row) {
            case 0 -> at(RBP);
            case 1 -> at(RBP, R14, 1);
            case 2 -> at(RBP, R14, 2);
            default -> at(RBP, R13, 1);
        };
    }

    private static Mem w(int stream) {
        return switch (stream) {
            case 0 -> at(RBX);
            case 1 -> at(RBX, R11, 1);
            case 2 -> at(RBX, R11, 2);
            default -> at(RBX, R15, 1);
        };
    }

    private void zero() {
        a.op(VXORPS, xmm(0), xmm(0), xmm(0));
        a.mov(RBP, RDX);
        a.mov(R12, R9);
        loop(1, () -> {
            for (int r = 0; r < rows; r++) {
                a.op(VMOVUPS, y(r), zmm(0));
            }
            a.op(ADD, RBP, 64);
        });
        for (int r = 0; r < rows; r++) {
            a.op(VMOVUPS, y(r), zmm(0).merging(REST));
        }
    }

    /** Runs the body for each 16 columns that r12 counts, {@code vectors} times 16 at once. */
    private void loop(int vectors, Runnable body) {
        Label loop = new Label();
        Label end = new Label();
        a.op(SUB, R12, 16 * vectors);
        a.jump(LESS, end);
        a.align(16);
        a.bind(loop);
        body.run();
        a.op(SUB, R12, 16 * vectors);
        a.jump(GREATER_OR_EQUAL, loop);
        a.bind(end);
        a.op(ADD, R12, 16 * vectors);
    }

    /** As many rows of W as rcx says, of each stream. */
    private void rows(int streams) {
        Label next = new Label();
        Label end = new Label();
        a.test(RCX, RCX);
        a.jump(EQUAL, end);
        a.bind(next);
        a.mov(RAX, R8);
        for (int r = 0; r < rows; r++) {
            for (int s = 0; s < Math.min(3, streams); s++) {
                a.op(VBROADCASTSS, x(s, r), s == 0 ? at(RAX) : at(RAX, R10, s));
            }
            if (streams > 3) {
                a.lea(RBP, at(RAX, R10, 2));
                a.op(VBROADCASTSS, x(3, r), at(RBP, R10, 1));
            }
            a.op(ADD, RAX, at(RDI, X_ROW));
        }
        a.mov(RBX, RSI);
        a.mov(RBP, RDX);
        a.mov(R12, R9);
        int vectors = rows == 1 ? 4 : 2;
        loop(vectors, () -> vectors(streams, vectors));
        loop(1, () -> vectors(streams, 1));
        rest(streams);
        a.op(ADD, RSI, at(RDI, W_ROW));
        a.op(ADD, R8, 4);
        a.decrement(RCX);
        a.jump(NOT_EQUAL, next);
        a.bind(end);
    }

    private void vectors(int streams, int vectors) {
        int bytes = 16 * type.bytes();
        for (int v = 0; v < vectors; v++) {
            for (int r = 0; r < rows; r++) {
                a.op(VMOVUPS, sum(v, r), y(r).plus(64 * v));
            }
            for (int s = 0; s < streams; s++) {
                Mem place = w(s).plus(v * bytes);
                if (type == DType.F32 && rows == 1) {
                    a.op(VFMADD231PS, sum(v, 0), x(s, 0), place);
                } else {
                    FloatRows.load(a, type, WEIGHTS, WEIGHTS, place);
                    multiplyAdd(v, s);
                }
            }
            for (int r = 0; r < rows; r++) {
                a.op(VMOVUPS, y(r).plus(64 * v), sum(v, r));
            }
        }
        for (int s = 0; s < streams; s++) {
            for (int line = 0; line < Math.ceilDiv(vectors * bytes, 64); line++) {
                a.op(Prefetch.PREFETCHT0, w(s).plus(AHEAD + 64 * line));
            }
        }
        a.op(ADD, RBX, vectors * bytes);
        a.op(ADD, RBP, 64 * vectors);
    }

    private void multiplyAdd(int vector, int stream) {
        for (int r = 0; r < rows; r++) {
            a.op(VFMADD231PS, sum(vector, r), x(stream, r), WEIGHTS);
        }
    }

    /** The columns that fill no vector. */
    private void rest(int streams) {
        Label none = new Label();
        a.test(R12, R12);
        a.jump(EQUAL, none);
        for (int r = 0; r < rows; r++) {
            a.op(VMOVUPS, sum(0, r).zeroing(REST), y(r));
        }
        for (int s = 0; s < streams; s++) {
            FloatRows.load(a, type, WEIGHTS.zeroing(REST), WEIGHTS, w(s));
            multiplyAdd(0, s);
        }
        for (int r = 0; r < rows; r++) {
            a.op(VMOVUPS, y(r), sum(0, r).merging(REST));
        }
        a.bind(none);
    }
}
