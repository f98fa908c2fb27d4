package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Alu.SUB;
import static io.quern.tensor.cpu.x86.Condition.EQUAL;
import static io.quern.tensor.cpu.x86.Condition.GREATER_OR_EQUAL;
import static io.quern.tensor.cpu.x86.Condition.LESS;
import static io.quern.tensor.cpu.x86.Condition.NOT_EQUAL;
import static io.quern.tensor.cpu.x86.Gpr.*;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.xmm;
import static io.quern.tensor.cpu.x86.Vec.ymm;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import java.lang.foreign.MemorySegment;

/**
 * The two products of attention for one query: its scores, and the weighted sum of the values. A key, or value, is
 * {@code vectors * 16} floats; key j lies {@code j * TIME} bytes after the first one, and where beams share a cache
 * {@code rows[j] * ROW} bytes further. The order of additions depends on the head size and the number of keys alone.
 *
 * <p>The parameters are at the given places: {@link #ROW} and {@link #TIME} words of 64 bits, {@link #FACTOR} a float.
 */
public final class AttentionCode {
    /** Longest key, in vectors of 16. */
    public static final int VECTORS = 8;

    /** Bytes between rows of the cache. */
    public static final int ROW = 0;

    /** Bytes between the keys of a row. */
    public static final int TIME = 8;

    /** What scores, or the sum, are multiplied by. */
    public static final int FACTOR = 16;

    /** Bytes of all parameters. */
    public static final int PARAMETERS = 64;

    /** Keys whose scores are computed side by side. */
    private static final int KEYS = 4;

    // rdi parameters, rcx keys left, rdx the first key or value left, r9 its row's number; r10 TIME, r11 ROW;
    // places of keys:
    private static final Gpr[] PLACES = {RAX, RBX, RBP, R12};
    private static final Gpr[] SAVED = {RBX, RBP, R12};

    private final Assembler a = new Assembler();
    private final int vectors;
    private final boolean rows;

    private AttentionCode(int vectors, boolean rows) {
        this.vectors = vectors;
        this.rows = rows;
    }

    /**
     * Writes {@code (parameters, q, first key, number of keys, p, rows)}, which sets p[j] to FACTOR times the product of q
     * and key j.
     */
    public static MemorySegment scores(int vectors, boolean rows) {
        AttentionCode code = new AttentionCode(vectors, rows);
        code.begin();
        code.scores();
        code.end();
        return MachineCode.install(code.a);
    }

    /**
     * Writes {@code (parameters, p, first value, number of values, out, rows)}, which sets out to FACTOR times the sum of
     * p[j] times value j; 0 for no values.
     */
    public static MemorySegment values(int vectors, boolean rows) {
        AttentionCode code = new AttentionCode(vectors, rows);
        code.begin();
        code.values();
        code.end();
        return MachineCode.install(code.a);
    }

    private void begin() {
        a.save(SAVED);
        a.mov(R10, at(RDI, TIME));
        a.mov(R11, at(RDI, ROW));
    }

    private void end() {
        a.restoreAndReturn(SAVED);
    }

    /** Sets the places of the next keys, and moves on behind them. */
    private void places(int keys) {
        for (int i = 0; i < keys; i++) {
            if (rows) {
                a.movInt(PLACES[i], at(R9, 4 * i));
                a.imul(PLACES[i], R11);
                a.op(ADD, PLACES[i], RDX);
            } else {
                a.mov(PLACES[i], RDX);
            }
            a.op(ADD, RDX, R10);
        }
        if (rows) {
            a.op(ADD, R9, 4 * keys);
        }
    }

    private void scores() {
        for (int v = 0; v < vectors; v++) {
            a.op(VMOVUPS, zmm(v), at(RSI, 64 * v));
        }
        a.op(VBROADCASTSS, xmm(15), at(RDI, FACTOR));
        Label four = new Label();
        Label one = new Label();
        Label rest = new Label();
        Label end = new Label();
        a.op(SUB, RCX, KEYS);
        a.jump(LESS, rest);
        a.align(16);
        a.bind(four);
        products(KEYS);
        foldHalves(KEYS);
        a.op(VUNPCKLPS, ymm(12), ymm(8), ymm(9));
        a.op(VUNPCKHPS, ymm(13), ymm(8), ymm(9));
        a.op(VADDPS, ymm(12), ymm(12), ymm(13));
        a.op(VUNPCKLPS, ymm(13), ymm(10), ymm(11));
        a.op(VUNPCKHPS, ymm(14), ymm(10), ymm(11));
        a.op(VADDPS, ymm(13), ymm(13), ymm(14));
        a.op(VSHUFPS, ymm(14), ymm(12), ymm(13), 0x44);
        a.op(VSHUFPS, ymm(12), ymm(12), ymm(13), 0xee);
        a.op(VADDPS, ymm(12), ymm(14), ymm(12));
        a.op(VEXTRACTF32X4, xmm(13), ymm(12), 1);
        a.op(VADDPS, xmm(12), xmm(12), xmm(13));
        a.op(VMULPS, xmm(12), xmm(12), xmm(15));
        a.op(VMOVUPS, at(R8), xmm(12));
        a.op(ADD, R8, 4 * KEYS);
        a.op(SUB, RCX, KEYS);
        a.jump(GREATER_OR_EQUAL, four);
        a.bind(rest);
        a.op(ADD, RCX, KEYS);
        a.jump(EQUAL, end);
        a.bind(one);
        products(1);
        foldHalves(1);
        a.op(VSHUFPS, ymm(12), ymm(8), ymm(8), 0xee);
        a.op(VADDPS, ymm(8), ymm(8), ymm(12));
        a.op(VSHUFPS, ymm(12), ymm(8), ymm(8), 0x55);
        a.op(VADDPS, ymm(8), ymm(8), ymm(12));
        a.op(VEXTRACTF32X4, xmm(12), ymm(8), 1);
        a.op(VADDPS, xmm(8), xmm(8), xmm(12));
        a.op(VMULPS, xmm(8), xmm(8), xmm(15));
        a.op(VMOVSS, at(R8), xmm(8));
        a.op(ADD, R8, 4);
        a.decrement(RCX);
        a.jump(NOT_EQUAL, one);
        a.bind(end);
    }

    /** The products of the query with the next keys, lane by lane, to zmm8 and the following. */
    private void products(int keys) {
        places(keys);
        for (int v = 0; v < vectors; v++) {
            for (int i = 0; i < keys; i++) {
                a.op(v == 0 ? VMULPS : VFMADD231PS, zmm(8 + i), zmm(v), at(PLACES[i], 64 * v));
            }
        }
    }

    /** 16 lanes to 8. */
    private void foldHalves(int keys) {
        for (int i = 0; i < keys; i++) {
            a.op(VEXTRACTF64X4, ymm(12), zmm(8 + i), 1);
            a.op(VADDPS, ymm(8 + i), ymm(8 + i), ymm(12));
        }
    }

    /** Values take turns with two sets of sums, as an addition takes longer than its turn. */
    private void values() {
        for (int v = 0; v < 2 * vectors; v++) {
            a.op(VXORPS, xmm(v), xmm(v), xmm(v));
        }
        Label two = new Label();
        Label rest = new Label();
        Label end = new Label();
        a.op(SUB, RCX, 2);
        a.jump(LESS, rest);
        a.align(16);
        a.bind(two);
        addValues(2);
        a.op(SUB, RCX, 2);
        a.jump(GREATER_OR_EQUAL, two);
        a.bind(rest);
        a.op(ADD, RCX, 2);
        a.jump(EQUAL, end);
        addValues(1);
        a.bind(end);
        a.op(VBROADCASTSS, zmm(16), at(RDI, FACTOR));
        for (int v = 0; v < vectors; v++) {
            a.op(VADDPS, zmm(v), zmm(v), zmm(vectors + v));
            a.op(VMULPS, zmm(v), zmm(v), zmm(16));
            a.op(VMOVUPS, at(R8, 64 * v), zmm(v));
        }
    }

    private void addValues(int count) {
        places(count);
        for (int i = 0; i < count; i++) {
            a.op(VBROADCASTSS, zmm(16 + i), at(RSI, 4 * i));
            for (int v = 0; v < vectors; v++) {
                a.op(VFMADD231PS, zmm(i * vectors + v), zmm(16 + i), at(PLACES[i], 64 * v));
            }
        }
        a.op(ADD, RSI, 4 * count);
    }
}
