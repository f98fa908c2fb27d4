package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.VectorOp.Form.MR;
import static io.quern.tensor.cpu.x86.VectorOp.Form.RM;
import static io.quern.tensor.cpu.x86.VectorOp.Form.RVM;
import static io.quern.tensor.cpu.x86.VectorOp.Form.VM;
import static io.quern.tensor.cpu.x86.VectorOp.Tuple.EIGHTH;
import static io.quern.tensor.cpu.x86.VectorOp.Tuple.FULL;
import static io.quern.tensor.cpu.x86.VectorOp.Tuple.HALF;
import static io.quern.tensor.cpu.x86.VectorOp.Tuple.QUARTER;
import static io.quern.tensor.cpu.x86.VectorOp.Tuple.WHOLE;

import java.util.Locale;

/**
 * Vector instructions, as Intel's manual (volume 2) lists them: opcode map (1 is 0F, 2 is 0F 38, 3 is 0F 3A), mandatory
 * prefix, W, opcode, what a compressed displacement counts in, and whether there is a VEX form, which is shorter and is
 * taken where it can say the same.
 */
public enum VectorOp {
    VADDPS(RVM, 1, 0, 0, 0x58, FULL, true),
    VSUBPS(RVM, 1, 0, 0, 0x5c, FULL, true),
    VMULPS(RVM, 1, 0, 0, 0x59, FULL, true),
    VMAXPS(RVM, 1, 0, 0, 0x5f, FULL, true),
    VMINPS(RVM, 1, 0, 0, 0x5d, FULL, true),
    VDIVPS(RVM, 1, 0, 0, 0x5e, FULL, true),
    /** The first source times 2 to the power of the second one, rounded down; rounded once. */
    VSCALEFPS(RVM, 2, 0x66, 0, 0x2c, FULL, false),
    /** To a mask register; the immediate says how, as for the C function {@code _mm_cmp_ps}. */
    VCMPPS(RVM, 1, 0, 0, 0xc2, FULL, false),
    VADDSS(RVM, 1, 0xf3, 0, 0x58, Tuple.SCALAR4, true),
    VMULSS(RVM, 1, 0xf3, 0, 0x59, Tuple.SCALAR4, true),
    VADDSD(RVM, 1, 0xf2, 2, 0x58, Tuple.SCALAR8, true),
    VMULSD(RVM, 1, 0xf2, 2, 0x59, Tuple.SCALAR8, true),
    VDIVSD(RVM, 1, 0xf2, 2, 0x5e, Tuple.SCALAR8, true),
    VSQRTSD(RVM, 1, 0xf2, 2, 0x51, Tuple.SCALAR8, true),
    VADDPD(RVM, 1, 0x66, 2, 0x58, WHOLE, true),
    VFMADD231PD(RVM, 2, 0x66, 1, 0xb8, WHOLE, true),
    VCVTSS2SD(RVM, 1, 0xf3, 0, 0x5a, Tuple.SCALAR4, true),
    VCVTSD2SS(RVM, 1, 0xf2, 2, 0x5a, Tuple.SCALAR8, true),
    VFMADD231PS(RVM, 2, 0x66, 0, 0xb8, FULL, true),
    VFMADD213PS(RVM, 2, 0x66, 0, 0xa8, FULL, true),
    VFNMADD231PS(RVM, 2, 0x66, 0, 0xbc, FULL, true),
    VFMADD231SS(RVM, 2, 0x66, 0, 0xb9, Tuple.SCALAR4, true),
    VXORPS(RVM, 1, 0, 0, 0x57, FULL, true),
    VUNPCKLPS(RVM, 1, 0, 0, 0x14, FULL, true),
    VUNPCKHPS(RVM, 1, 0, 0, 0x15, FULL, true),
    VSHUFPS(RVM, 1, 0, 0, 0xc6, FULL, true),
    VPERMPS(RVM, 2, 0x66, 0, 0x16, FULL, true),
    VCVTNE2PS2BF16(RVM, 2, 0xf2, 0, 0x72, FULL, false),
    VPTESTMD(RVM, 2, 0x66, 0, 0x27, FULL, false),
    VPERMT2PS(RVM, 2, 0x66, 0, 0x7f, FULL, false),
    VSHUFF32X4(RVM, 3, 0x66, 0, 0x23, FULL, false),
    VINSERTF32X4(RVM, 3, 0x66, 0, 0x18, Tuple.X4, false),
    VINSERTF64X4(RVM, 3, 0x66, 1, 0x1a, Tuple.X8, false),
    VPANDD(RVM, 1, 0x66, 0, 0xdb, FULL, false),
    VPORD(RVM, 1, 0x66, 0, 0xeb, FULL, false),
    VPXORD(RVM, 1, 0x66, 0, 0xef, FULL, false),
    VPTERNLOGD(RVM, 3, 0x66, 0, 0x25, FULL, false),
    VPADDD(RVM, 1, 0x66, 0, 0xfe, FULL, true),
    VPSUBD(RVM, 1, 0x66, 0, 0xfa, FULL, true),
    VPSUBB(RVM, 1, 0x66, 0, 0xf8, WHOLE, true),
    VPSRLVD(RVM, 2, 0x66, 0, 0x45, FULL, true),
    VPSLLVW(RVM, 2, 0x66, 1, 0x12, WHOLE, false),
    VPSRLVW(RVM, 2, 0x66, 1, 0x10, WHOLE, false),
    VPSHUFB(RVM, 2, 0x66, 0, 0x00, WHOLE, true),
    VPDPBUSD(RVM, 2, 0x66, 0, 0x50, FULL, false),
    VPMAXUD(RVM, 2, 0x66, 0, 0x3f, FULL, true),
    VPERMD(RVM, 2, 0x66, 0, 0x36, FULL, true),
    VPERMW(RVM, 2, 0x66, 1, 0x8d, WHOLE, false),
    VPERMT2D(RVM, 2, 0x66, 0, 0x7e, FULL, false),
    VPERMT2B(RVM, 2, 0x66, 0, 0x7d, WHOLE, false),
    VPSLLD(VM, 1, 0x66, 0, 0x72, FULL, true, 6),
    VPSRLD(VM, 1, 0x66, 0, 0x72, FULL, true, 2),
    VPSRAD(VM, 1, 0x66, 0, 0x72, FULL, true, 4),
    VPSRLW(VM, 1, 0x66, 0, 0x71, WHOLE, true, 2),
    VPSLLW(VM, 1, 0x66, 0, 0x71, WHOLE, true, 6),
    /** Loads, or stores where the destination is memory. */
    VMOVUPS(RM, 1, 0, 0, 0x10, WHOLE, true, 0x11),
    VMOVSS(RM, 1, 0xf3, 0, 0x10, Tuple.SCALAR4, true, 0x11),
    VMOVSD(RM, 1, 0xf2, 2, 0x10, Tuple.SCALAR8, true, 0x11),
    VMOVD(RM, 1, 0x66, 0, 0x6e, Tuple.SCALAR4, true, 0x7e),
    VBROADCASTSS(RM, 2, 0x66, 0, 0x18, Tuple.SCALAR4, true),
    VBROADCASTSD(RM, 2, 0x66, 1, 0x19, Tuple.SCALAR8, false),
    VBROADCASTF32X4(RM, 2, 0x66, 0, 0x1a, Tuple.X4, false),
    VBROADCASTF64X4(RM, 2, 0x66, 1, 0x1b, Tuple.X8, false),
    VPSHUFD(RM, 1, 0x66, 0, 0x70, FULL, true),
    VPBROADCASTD(RM, 2, 0x66, 0, 0x58, Tuple.SCALAR4, true, 0x7c),
    VPBROADCASTW(RM, 2, 0x66, 0, 0x79, Tuple.SCALAR2, true, 0x7b),
    VPMOVSXBD(RM, 2, 0x66, 0, 0x21, QUARTER, true),
    VPMOVZXBD(RM, 2, 0x66, 0, 0x31, QUARTER, true),
    VPMOVSXWD(RM, 2, 0x66, 0, 0x23, HALF, true),
    VPMOVZXWD(RM, 2, 0x66, 0, 0x33, HALF, true),
    VPMOVSXBW(RM, 2, 0x66, 0, 0x20, HALF, true),
    VPMOVZXBW(RM, 2, 0x66, 0, 0x30, HALF, true),
    VPMOVZXBQ(RM, 2, 0x66, 0, 0x32, EIGHTH, true),
    VSQRTPS(RM, 1, 0, 0, 0x51, FULL, true),
    VCVTPS2PD(RM, 1, 0, 0, 0x5a, HALF, true),
    VCVTDQ2PS(RM, 1, 0, 0, 0x5b, FULL, true),
    VCVTPS2DQ(RM, 1, 0x66, 0, 0x5b, FULL, true),
    /** Loads only. */
    VMOVDQU8(RM, 1, 0xf2, 0, 0x6f, WHOLE, false),
    VCVTPH2PS(RM, 2, 0x66, 0, 0x13, HALF, true),
    VPMOVDB(MR, 2, 0xf3, 0, 0x31, QUARTER, false),
    VPMOVDW(MR, 2, 0xf3, 0, 0x33, HALF, false),
    /** The immediate says how to round: 0 to nearest even. */
    VCVTPS2PH(MR, 3, 0x66, 0, 0x1d, HALF, true),
    VEXTRACTF32X4(MR, 3, 0x66, 0, 0x19, Tuple.X4, false),
    VEXTRACTF64X4(MR, 3, 0x66, 1, 0x1b, Tuple.X8, false),
    VEXTRACTPS(MR, 3, 0x66, 0, 0x17, Tuple.SCALAR4, true),
    /** The lower bits of a general register into a mask register, or back. */
    KMOVW(RM, 1, 0, 0, 0x92, WHOLE, true, 0x93),
    KMOVD(RM, 1, 0xf2, 0, 0x92, WHOLE, true, 0x93),
    KMOVQ(RM, 1, 0xf2, 1, 0x92, WHOLE, true, 0x93);

    /** Which operand goes where in an encoding: ModRM.reg, VEX.vvvv, ModRM.rm. */
    enum Form {
        /** destination, first source, second source or memory */
        RVM,
        /** destination, source or memory */
        RM,
        /** destination or memory, source */
        MR,
        /** destination, source, and a digit of the opcode in ModRM.reg */
        VM
    }

    /** What a displacement of 8 bits is multiplied by in an EVEX encoding: the bytes of the operand in memory. */
    enum Tuple {
        /** A vector, of which elements of 32 bits may be broadcast. */
        FULL,
        /** A vector. */
        WHOLE,
        HALF,
        QUARTER,
        EIGHTH,
        SCALAR2,
        SCALAR4,
        SCALAR8,
        X4,
        X8;

        int bytes(int vector, boolean broadcast) {
            return switch (this) {
                case FULL -> broadcast ? 4 : vector;
                case WHOLE -> vector;
                case HALF -> vector / 2;
                case QUARTER -> vector / 4;
                case EIGHTH -> vector / 8;
                case SCALAR2 -> 2;
                case SCALAR4 -> 4;
                case SCALAR8 -> 8;
                case X4 -> 16;
                case X8 -> 32;
            };
        }
    }

    final Form form;
    final int map;
    final int prefix;
    /** 2 where VEX ignores it and EVEX wants it set. */
    final int w;

    final int opcode;
    final Tuple tuple;
    final boolean hasVex;
    /** The digit of a VM form; else the opcode for a store, or for a general register as the source; -1 for none. */
    final int other;

    VectorOp(Form form, int map, int prefix, int w, int opcode, Tuple tuple, boolean hasVex) {
        this(form, map, prefix, w, opcode, tuple, hasVex, -1);
    }

    VectorOp(Form form, int map, int prefix, int w, int opcode, Tuple tuple, boolean hasVex, int other) {
        this.form = form;
        this.map = map;
        this.prefix = prefix;
        this.w = w;
        this.opcode = opcode;
        this.tuple = tuple;
        this.hasVex = hasVex;
        this.other = other;
    }

    /** The mandatory prefix as VEX and EVEX hold it. */
    int pp() {
        return switch (prefix) {
            case 0x66 -> 1;
            case 0xf3 -> 2;
            case 0xf2 -> 3;
            default -> 0;
        };
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
