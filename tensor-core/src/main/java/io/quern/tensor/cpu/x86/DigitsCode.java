package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Alu.ADD;
import static io.quern.tensor.cpu.x86.Condition.EQUAL;
import static io.quern.tensor.cpu.x86.Condition.NOT_EQUAL;
import static io.quern.tensor.cpu.x86.Gpr.*;
import static io.quern.tensor.cpu.x86.Mem.at;
import static io.quern.tensor.cpu.x86.Vec.xmm;
import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * Turns a row of x into fixed point, as {@link Digits} lays it out: {@code (x, out, blocks of 32)}. What is missing to the
 * last whole unit becomes 0. A block with a number that is not finite gets an infinite scale, or NaN, and no digits but 0: all
 * its products are NaN.
 *
 * <p>First the digits of each block in the order of x; then, when these are surely in the cache, they change places within
 * each 128, and the corrections are summed.
 */
public final class DigitsCode {
    /** Blocks of smaller numbers lose digits: their scale times that of weights might be denormal, which is slow. */
    private static final float TINY = 0x1p-60f;

    private static final Vec SIZE = zmm(16); // all bits but the sign
    private static final Vec LEAST = xmm(17);
    private static final Vec LEVELS = xmm(18);
    private static final Vec STEP = xmm(19);
    private static final Vec SIXTEENTH = xmm(20);
    private static final Vec HALVES = zmm(21); // 128 in each of the three lower bytes
    private static final Vec[] ORDER = {zmm(22), zmm(23)};
    private static final Vec[] ONES = {zmm(24), zmm(25)};
    private static final Vec ZERO = zmm(26);

    private final Assembler a = new Assembler();
    private final Digits digits;
    private final DType type;

    private DigitsCode(Digits digits) {
        this.digits = digits;
        type = digits.type();
    }

    /** Writes the function for a quantised type. */
    public static MemorySegment install(DType type) {
        DigitsCode code = new DigitsCode(Digits.of(type));
        code.write();
        return MachineCode.install(code.a);
    }

    private void write() {
        Label constants = new Label();
        Mem table = at(constants);
        a.op(VPBROADCASTD, SIZE, table);
        a.op(VMOVSS, LEAST, table.plus(4));
        a.op(VMOVSS, LEVELS, table.plus(8));
        a.op(VMOVSS, STEP, table.plus(12));
        a.op(VMOVSS, SIXTEENTH, table.plus(16));
        a.op(VPBROADCASTD, HALVES, table.plus(20));
        for (int v = 0; v < 2; v++) {
            a.op(VPBROADCASTD, ONES[v], table.plus(24 + 4 * v));
            a.op(VMOVUPS, ORDER[v], table.plus(64 + 64 * v));
        }
        a.op(VPXORD, ZERO, ZERO, ZERO);
        a.mov(RCX, RSI);
        a.mov(R8, 0);
        Label unit = new Label();
        Label next = new Label();
        Label order = new Label();
        Label end = new Label();
        a.bind(unit);
        a.test(RDX, RDX);
        a.jump(EQUAL, order);
        for (int at = 0; at < digits.bytes(); at += 64) {
            a.op(VMOVUPS, at(RSI, at), ZERO);
        }
        int blocks = digits.elements() / Digits.BLOCK;
        for (int i = 0; i < blocks; i++) {
            block(i);
            a.op(ADD, RDI, 4 * Digits.BLOCK);
            a.decrement(RDX);
            if (i < blocks - 1) {
                a.jump(EQUAL, next);
            }
        }
        a.bind(next);
        a.op(ADD, RSI, digits.bytes());
        a.increment(R8);
        a.jump(unit);
        a.bind(order);
        a.test(R8, R8);
        a.jump(EQUAL, end);
        for (int g = 0; g < digits.groups(); g++) {
            order(g);
        }
        a.op(ADD, RCX, digits.bytes());
        a.decrement(R8);
        a.jump(NOT_EQUAL, order);
        a.bind(end);
        a.vzeroupper();
        a.ret();
        a.align(64);
        a.bind(constants);
        a.ints(0x7fff_ffff);
        float step = 1f / digits.levels() / (type == DType.Q4_0 ? 16 : 1);
        a.floats(TINY, digits.levels(), step, 1f / 16);
        a.ints(0x0080_8080, 0x0101_0101, type == DType.Q4_0 ? 0x1111_1111 : 0x0101_0101);
        a.ints(new int[8]);
        for (int v = 0; v < 2; v++) {
            for (int dword = 0; dword < 16; dword++) {
                a.ints(number(v, dword) * 0x0101_0101 + 0x0302_0100);
            }
        }
    }

    /** The first of the four numbers of a group of 128 whose weights are in this part of a vector. */
    private int number(int vector, int dword) {
        int i = dword % 4;
        int j = dword / 4;
        return switch (type) {
            case Q4_0 -> 32 * i + 16 * vector + 4 * j;
            case Q6_K -> 16 * (2 * (j % 2) + i % 2 + i / 2 * 4) + 4 * (j / 2 + 2 * vector);
            default -> 32 * (2 * (i % 2) + i / 2) + 4 * (j + 4 * vector);
        };
    }

    /** The numbers at rdi, which are block i of the unit. */
    private void block(int i) {
        Vec low = zmm(0);
        Vec high = zmm(1);
        Vec most = zmm(2);
        Vec other = zmm(3);
        Vec scale = xmm(4);
        a.op(VMOVUPS, low, at(RDI));
        a.op(VMOVUPS, high, at(RDI, 64));
        a.op(VPANDD, most, low, SIZE);
        a.op(VPANDD, other, high, SIZE);
        a.op(VPMAXUD, most, most, other); // as whole numbers, NaN is the largest
        halve(VPMAXUD, most, other);
        a.op(VPMAXUD, most.x(), most.x(), LEAST);
        a.op(VDIVPS, other.x(), LEVELS, most.x());
        a.op(VBROADCASTSS, other, other.x());
        a.op(VMULPS, scale, most.x(), STEP);
        a.op(VMULPS, low, low, other);
        a.op(VMULPS, high, high, other);
        a.op(VCVTPS2DQ, low, low);
        a.op(VCVTPS2DQ, high, high);
        scale(i, scale, low, high);
        if (type == DType.Q4_0) {
            a.op(VPSLLD, low, low, 4);
            a.op(VPSUBD, low, low, high);
        }
        int at = digits.digits(i / 4, 0, 0) + 32 * (i % 4);
        for (Vec v : new Vec[] {low, high}) {
            a.op(VPADDD, v, v, HALVES);
            a.op(VPXORD, v, v, HALVES); // the three lower bytes are the digits now
            for (int place = 0; place < Digits.PLACES; place++) {
                a.op(VPMOVDB, at(RSI, at + 128 * place), v);
                if (place < Digits.PLACES - 1) {
                    a.op(VPSRLD, v, v, 8);
                }
            }
            at += 16;
        }
    }

    /** The largest, or the sum, of 16 lanes, in all of the first four. */
    private void halve(VectorOp op, Vec v, Vec w) {
        a.op(VEXTRACTF64X4, w.y(), v, 1);
        a.op(op, v.y(), v.y(), w.y());
        a.op(VEXTRACTF32X4, w.x(), v.y(), 1);
        a.op(op, v.x(), v.x(), w.x());
        a.op(VPSHUFD, w.x(), v.x(), 0b01_00_11_10);
        a.op(op, v.x(), v.x(), w.x());
        a.op(VPSHUFD, w.x(), v.x(), 0b10_11_00_01);
        a.op(op, v.x(), v.x(), w.x());
    }

    /** Stores the scale of block i where the products need it. */
    private void scale(int i, Vec scale, Vec low, Vec high) {
        int scales = digits.scales();
        switch (type) {
            case Q6_K -> { // for each 16 numbers
                a.op(VMOVSS, at(RSI, scales + 8 * swapped(i)), scale);
                a.op(VMOVSS, at(RSI, scales + 8 * swapped(i) + 4), scale);
            }
            case Q4_K -> { // 0, 2, 1, 3, ...; upper nibbles count 16 times; then the sums of x, negative
                Vec sum = zmm(5);
                a.op(VPADDD, sum, low, high);
                halve(VPADDD, sum, zmm(6));
                a.op(VPSUBD, sum.x(), ZERO.x(), sum.x());
                a.op(VCVTDQ2PS, sum.x(), sum.x());
                a.op(VMULPS, sum.x(), sum.x(), scale);
                a.op(VMOVSS, at(RSI, scales + 32 + 4 * i), sum.x());
                if (i % 2 == 1) {
                    a.op(VMULPS, scale, scale, SIXTEENTH);
                }
                a.op(VMOVSS, at(RSI, scales + 4 * swapped(i)), scale);
            }
            default -> a.op(VMOVSS, at(RSI, scales + 4 * i), scale);
        }
    }

    /** 0, 2, 1, 3, and so on. */
    private static int swapped(int i) {
        return i & 4 | i >> 1 & 1 | i << 1 & 2;
    }

    /** Brings the digits of a group in the order of the weights, and sums what these must be corrected by. */
    private void order(int group) {
        Vec sum = zmm(6);
        a.op(VPXORD, sum, sum, sum);
        for (int place = Digits.PLACES - 1; place >= 0; place--) {
            for (int v = 0; v < 2; v++) {
                a.op(VMOVUPS, zmm(v), at(RCX, digits.digits(group, place, 0)));
            }
            a.op(VMOVUPS, zmm(2), at(RCX, digits.digits(group, place, 1)));
            for (int v = 0; v < 2; v++) {
                a.op(VPERMT2B, zmm(v), ORDER[v], zmm(2));
                a.op(VMOVUPS, at(RCX, digits.digits(group, place, v)), zmm(v));
            }
            for (int v = 0; v < 2 && digits.corrections() > 0; v++) {
                if (place < Digits.PLACES - 1 && v == 0) {
                    a.op(VPSLLD, sum, sum, 8);
                }
                a.op(VPDPBUSD, sum, ONES[v], zmm(v));
            }
        }
        if (digits.corrections() > 0) {
            a.op(VPSUBD, sum, ZERO, sum);
            // the weights are 8 too large, of 16 x as in Q4DigitRows, or 32
            a.op(VPSLLD, sum, sum, type == DType.Q4_0 ? 3 : 5);
            a.op(VMOVUPS, at(RCX, digits.correction(group)), sum);
        }
    }
}
