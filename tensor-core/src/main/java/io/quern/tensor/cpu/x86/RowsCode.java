package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
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
 * Dot products of columns of W with 1 to 4 rows of x, for a W whose columns are contiguous. Four columns at a time, from
 * four streams that lie apart in memory, with one vector of sums for each pair of column and row; the sum over k is in the
 * order of k in each lane, then the lanes are added in halves. So an element's bits depend on its column and row alone.
 *
 * <p>{@code (parameters, W, y, columns, bias, distance)}: W, y and bias at the first column of the first stream; each stream
 * has as many columns and begins {@code distance} columns after the one before (0: all four are the same). A bias of 0 means
 * none. The parameters are words of 64 bits at the given places.
 */
public final class RowsCode {
    /** Streams of columns. */
    public static final int STREAMS = 4;

    /** Most rows of x. */
    public static final int ROWS = 4;

    /** Address of x. */
    public static final int X = 0;

    /** Bytes between rows of x. */
    public static final int X_ROW = 8;

    /** Units of a column, see {@link #elements}. */
    public static final int UNITS = 16;

    /** A bit for each number after the last whole unit; for each byte where x is in fixed point, see {@link #TAIL_END}. */
    public static final int TAIL = 24;

    /** Bytes between columns of W. */
    public static final int COLUMN = 32;

    /** Bytes between rows of y. */
    public static final int Y_ROW = 40;

    /** 1 to add to y instead of overwriting it. */
    public static final int ACCUMULATE = 48;

    /** Address of {@link HalfTable}. */
    public static final int HALVES = 56;

    /** Where x is in fixed point: a bit for each byte from the 65th on after the last whole unit. */
    public static final int TAIL_END = 64;

    /** Bytes of all parameters. */
    public static final int PARAMETERS = 128;

    /** How far ahead each stream is loaded, in bytes. */
    private static final int AHEAD = 2048;

    /** Bytes of the stack for the end of a stream, which fills no unit. */
    private static final int COPY = 192;

    private static final Mask REST = Mask.k(1);
    private static final Mask REST_END = Mask.k(7);

    final Assembler a = new Assembler();
    final int rows;
    private final RowFormat format;

    private RowsCode(RowFormat format, int rows) {
        this.format = format;
        this.rows = rows;
    }

    /**
     * Writes the function for a format and a number of rows.
     *
     * @param fixed whether x comes in fixed point, as {@link DigitsCode} writes it
     */
    public static MemorySegment install(DType type, int rows, boolean fixed) {
        RowsCode code = new RowsCode(fixed ? digitFormat(type) : format(type), rows);
        code.write();
        return MachineCode.install(code.a);
    }

    /** Whether there is a function for x in fixed point on this processor. */
    public static boolean canFix(DType type) {
        return Digits.has(type) && Digits.possible(MachineCode.features());
    }

    /** Whether products with this format take x in fixed point. */
    public static boolean fixes(DType type) {
        return canFix(type) && Digits.areUsed();
    }

    /** Bytes of a row of x in fixed point. */
    public static long fixedBytes(DType type, long k) {
        Digits digits = Digits.of(type);
        return Math.ceilDiv(k, digits.elements()) * digits.bytes();
    }

    /** Whether there is a function for this format. */
    public static boolean has(DType type) {
        return switch (type) {
            case F32, BF16, F16, Q8_0, Q4_0, Q4_K, Q6_K -> true;
            case F64, I32 -> false;
        };
    }

    /** Numbers in a unit. */
    public static int elements(DType type, boolean fixed) {
        return fixed ? Digits.of(type).elements() : format(type).elements();
    }

    private static RowFormat digitFormat(DType type) {
        return switch (type) {
            case Q4_0 -> new Q4DigitRows();
            case Q4_K -> new Q4SuperDigitRows();
            case Q6_K -> new Q6SuperDigitRows();
            default -> throw new IllegalArgumentException("no products in fixed point with " + type);
        };
    }

    private static RowFormat format(DType type) {
        return switch (type) {
            case F32, BF16, F16 -> new FloatRows(type);
            case Q8_0 -> new Q8Rows();
            case Q4_0 -> new Q4Rows();
            case Q4_K -> new Q4SuperRows();
            case Q6_K -> new Q6SuperRows();
            case F64, I32 -> throw new IllegalArgumentException("no machine code for " + type);
        };
    }

    // rax scratch; rbx place in W, rbp place in x, r12 units left; rcx columns left; rdx y, rsi W, r8 bias of the
    // column;
    // rdi parameters; r9 columns between streams, r10 and r11 bytes between streams, once and three times; r13 three
    // times
    // r14, the bytes between rows of x; r15 the table of halves

    private static final Gpr[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    /** Sums of a row of x and a stream. */
    Vec sum(int row, int stream) {
        return zmm(STREAMS * row + stream);
    }

    /** A vector of the unit of a row of x. */
    Vec x(int row, int vector) {
        return zmm(16 + row * format.vectors() + vector);
    }

    /** For constants: two registers. */
    static Vec constant(int i) {
        return zmm(24 + i);
    }

    /** For a unit: six registers. */
    static Vec scratch(int i) {
        return zmm(26 + i);
    }

    /** The place of x in memory that belongs to the unit, for a row. */
    Mem xAt(int row) {
        return switch (row) {
            case 0 -> at(RBP);
            case 1 -> at(RBP, R14, 1);
            case 2 -> at(RBP, R14, 2);
            default -> at(RBP, R13, 1);
        };
    }

    private static Mem stream(int stream) {
        return switch (stream) {
            case 0 -> at(RBX);
            case 1 -> at(RBX, R10, 1);
            case 2 -> at(RBX, R10, 2);
            default -> at(RBX, R11, 1);
        };
    }

    private void write() {
        int frame = format.frame() + (format.fillsUp() ? STREAMS * COPY : 0);
        a.save(SAVED);
        a.mov(RAX, RSP);
        a.op(Alu.SUB, RSP, frame + 64);
        a.op(Alu.AND, RSP, -64);
        a.mov(at(RSP, frame), RAX);
        a.mov(R10, at(RDI, COLUMN));
        a.imul(R10, R9);
        a.lea(R11, at(R10, R10, 2));
        a.mov(R14, at(RDI, X_ROW));
        a.lea(R13, at(R14, R14, 2));
        a.mov(R15, at(RDI, HALVES));
        a.mov(RAX, at(RDI, TAIL));
        a.op(KMOVD, REST, RAX);
        format.constants(this);

        Label column = new Label();
        Label end = new Label();
        a.test(RCX, RCX);
        a.jump(EQUAL, end);
        first();
        a.align(16);
        a.bind(column);
        column();
        a.op(ADD, RSI, at(RDI, COLUMN));
        a.op(ADD, RDX, 4);
        Label noBias = new Label();
        a.test(R8, R8);
        a.jump(EQUAL, noBias);
        a.op(ADD, R8, 4);
        a.bind(noBias);
        a.decrement(RCX);
        a.jump(NOT_EQUAL, column);

        a.bind(end);
        a.mov(RSP, at(RSP, frame));
        a.restoreAndReturn(SAVED);
        format.tables(a);
    }

    /** Loads the begin of each stream, which no turn of the loop is early enough for. */
    private void first() {
        a.mov(RBX, RSI);
        for (int line = 0; line < AHEAD; line += 64) {
            for (int s = 0; s < STREAMS; s++) {
                a.op(Prefetch.PREFETCHT0, stream(s).plus(line));
            }
        }
    }

    private void column() {
        for (int i = 0; i < rows * STREAMS; i++) {
            a.op(VXORPS, xmm(i), xmm(i), xmm(i));
        }
        a.mov(RBX, RSI);
        a.mov(RBP, at(RDI, X));
        a.mov(R12, at(RDI, UNITS));
        loop(format.unroll());
        if (format.unroll() > 1) {
            loop(1);
        }
        if (format.elements() == 16) {
            Label none = new Label();
            a.mov(RAX, at(RDI, TAIL));
            a.test(RAX, RAX);
            a.jump(EQUAL, none);
            for (int r = 0; r < rows; r++) {
                a.op(VMOVUPS, x(r, 0).zeroing(REST), xAt(r));
            }
            for (int s = 0; s < STREAMS; s++) {
                format.tail(this, s, stream(s));
            }
            a.bind(none);
        }
        if (format.fillsUp()) {
            fillUp();
        }
        for (int r = 0; r < rows; r++) {
            addLanes(r);
        }
        store();
    }

    /** The last blocks of each stream, filled up to a unit with zeros. */
    private void fillUp() {
        Label none = new Label();
        a.mov(RAX, at(RDI, TAIL));
        a.test(RAX, RAX);
        a.jump(EQUAL, none);
        a.op(KMOVQ, REST, RAX);
        a.mov(RAX, at(RDI, TAIL_END));
        a.op(KMOVQ, REST_END, RAX);
        a.op(VXORPS, scratch(0).x(), scratch(0).x(), scratch(0).x());
        Mem[] copies = new Mem[STREAMS];
        for (int s = 0; s < STREAMS; s++) {
            copies[s] = at(RSP, format.frame() + COPY * s);
            a.op(VMOVDQU8, scratch(1).zeroing(REST), stream(s));
            a.op(VMOVDQU8, scratch(2).zeroing(REST_END), stream(s).plus(64));
            a.op(VMOVUPS, copies[s], scratch(1));
            a.op(VMOVUPS, copies[s].plus(64), scratch(2));
            a.op(VMOVUPS, copies[s].plus(128), scratch(0));
        }
        format.units(this, 0, copies);
        a.bind(none);
    }

    /** As many units at a time as there are. */
    private void loop(int units) {
        Label loop = new Label();
        Label end = new Label();
        a.op(Alu.SUB, R12, units);
        a.jump(LESS, end);
        a.align(16);
        a.bind(loop);
        for (int u = 0; u < units; u++) {
            Mem[] places = new Mem[STREAMS];
            for (int s = 0; s < STREAMS; s++) {
                places[s] = stream(s).plus(u * format.bytes());
            }
            format.units(this, u * format.xBytes(), places);
        }
        for (int s = 0; s < STREAMS; s++) {
            for (int line = 0; line < Math.ceilDiv(units * format.bytes(), 64); line++) {
                a.op(Prefetch.PREFETCHT0, stream(s).plus(AHEAD + 64 * line));
            }
        }
        a.op(ADD, RBX, units * format.bytes());
        a.op(ADD, RBP, units * format.xBytes());
        a.op(Alu.SUB, R12, units);
        a.jump(GREATER_OR_EQUAL, loop);
        a.bind(end);
        a.op(ADD, R12, units);
    }

    /** The sums of the lanes of the four streams, to the first four lanes of the first. */
    private void addLanes(int row) {
        for (int s = 0; s < STREAMS; s++) {
            Vec v = sum(row, s);
            a.op(VEXTRACTF64X4, scratch(0).y(), v, 1);
            a.op(VADDPS, v.y(), v.y(), scratch(0).y());
            a.op(VEXTRACTF32X4, scratch(0).x(), v.y(), 1);
            a.op(VADDPS, v.x(), v.x(), scratch(0).x());
        }
        for (int s = 0; s < STREAMS; s += 2) {
            Vec v = sum(row, s).x();
            Vec w = sum(row, s + 1).x();
            a.op(VUNPCKLPS, scratch(0).x(), v, w);
            a.op(VUNPCKHPS, scratch(1).x(), v, w);
            a.op(VADDPS, v, scratch(0).x(), scratch(1).x());
        }
        Vec v = sum(row, 0).x();
        Vec w = sum(row, 2).x();
        a.op(VSHUFPS, scratch(0).x(), v, w, 0x44);
        a.op(VSHUFPS, scratch(1).x(), v, w, 0xee);
        a.op(VADDPS, v, scratch(0).x(), scratch(1).x());
    }

    /** Adds the bias, and what is there already if asked for, and stores. */
    private void store() {
        for (int r = 0; r < rows; r++) {
            for (int s = 1; s < STREAMS; s++) {
                a.op(VSHUFPS, sum(r, s).x(), sum(r, 0).x(), sum(r, 0).x(), s);
            }
        }
        a.lea(RBP, at(R9, R9, 2));
        Label noBias = new Label();
        a.test(R8, R8);
        a.jump(EQUAL, noBias);
        add(R8, 0, rows);
        a.bind(noBias);
        Label overwrite = new Label();
        a.mov(RAX, at(RDI, ACCUMULATE));
        a.test(RAX, RAX);
        a.jump(EQUAL, overwrite);
        a.mov(RBX, RDX);
        for (int r = 0; r < rows; r++) {
            add(RBX, r, r + 1);
            a.op(ADD, RBX, at(RDI, Y_ROW));
        }
        a.bind(overwrite);
        a.mov(RBX, RDX);
        for (int r = 0; r < rows; r++) {
            for (int s = 0; s < STREAMS; s++) {
                a.op(VMOVSS, element(RBX, s), sum(r, s).x());
            }
            a.op(ADD, RBX, at(RDI, Y_ROW));
        }
    }

    private void add(Gpr place, int from, int to) {
        for (int r = from; r < to; r++) {
            for (int s = 0; s < STREAMS; s++) {
                a.op(VADDSS, sum(r, s).x(), sum(r, s).x(), element(place, s));
            }
        }
    }

    /** The element of a stream: 4, 8 or 12 bytes for each column between streams. */
    private static Mem element(Gpr place, int stream) {
        return switch (stream) {
            case 0 -> at(place);
            case 1 -> at(place, R9, 4);
            case 2 -> at(place, R9, 8);
            default -> at(place, RBP, 4);
        };
    }

    /** Multiplies the weights of a vector by those of each row of x, and adds. */
    void multiplyAdd(int stream, Operand weights) {
        for (int r = 0; r < rows; r++) {
            a.op(VFMADD231PS, sum(r, stream), x(r, 0), weights);
        }
    }

    /**
     * As {@link #multiplyAdd} for one of several vectors of a unit, with a scale of its own; x is read from memory.
     *
     * @param vector number of the vector in the unit
     */
    void multiplyAdd(int stream, Vec weights, int vector, Mem scale) {
        Vec product = scratch(5);
        for (int r = 0; r < rows; r++) {
            a.op(VMULPS, product, weights, xAt(r).plus(64 * vector));
            a.op(VFMADD231PS, sum(r, stream), product, scale.broadcast());
        }
    }

    /** As {@link #multiplyAdd} for a block of two vectors with one scale. */
    void multiplyAdd(int stream, Vec low, Vec high, Mem scale) {
        Vec product = scratch(5);
        for (int r = 0; r < rows; r++) {
            a.op(VMULPS, product, low, x(r, 0));
            a.op(VFMADD231PS, product, high, x(r, 1));
            a.op(VFMADD231PS, sum(r, stream), product, scale.broadcast());
        }
    }

    /** The scale in binary16 at a place, widened: found in the table of halves. */
    Mem half(Mem place) {
        a.movzxWord(RAX, place);
        return at(R15, RAX, 4);
    }

    /** The mask of the tail. */
    static Mask rest() {
        return REST;
    }
}
