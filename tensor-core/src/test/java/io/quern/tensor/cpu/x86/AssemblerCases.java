package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Mem.at;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Every instruction with its kinds of operands: registers from all parts of the numbering, and places in memory with every
 * base that is encoded in a way of its own, with and without index, with displacements around the borders of 8 bits.
 */
final class AssemblerCases {
    /** An instruction as GNU as reads it (Intel syntax), and the same for our assembler. */
    record Case(String text, Consumer<Assembler> code) {
        byte[] bytes() {
            Assembler a = new Assembler();
            code.accept(a);
            return a.code();
        }
    }

    private static final Mem[] PLACES = {
        at(Gpr.RAX),
        at(Gpr.RSP),
        at(Gpr.RBP),
        at(Gpr.R12),
        at(Gpr.R13),
        at(Gpr.RDI, 1),
        at(Gpr.RSI, 64),
        at(Gpr.R15, -64),
        at(Gpr.RCX, 127),
        at(Gpr.R8, 128),
        at(Gpr.RDX, -128),
        at(Gpr.RBX, -129),
        at(Gpr.R12, 16),
        at(Gpr.RSP, 8 * 64),
        at(Gpr.R13, 127 * 64),
        at(Gpr.RBP, 128 * 64),
        at(Gpr.RDI, -128 * 64),
        at(Gpr.RDI, -129 * 64),
        at(Gpr.RDI, 4 * 127),
        at(Gpr.RDI, 4 * 128),
        at(Gpr.RAX, Gpr.RCX, 1),
        at(Gpr.RBP, Gpr.R9, 2),
        at(Gpr.R13, Gpr.RBX, 4),
        at(Gpr.RSP, Gpr.R12, 8),
        at(Gpr.R12, Gpr.RBP, 8).plus(256),
        at(Gpr.R9, Gpr.R13, 4).plus(-20),
        at(Gpr.RSI, Gpr.RDX, 1).plus(100_000)
    };

    private final List<Case> all = new ArrayList<>();
    private int turn;

    private AssemblerCases() {}

    static List<Case> all() {
        AssemblerCases cases = new AssemblerCases();
        cases.general();
        for (VectorOp op : VectorOp.values()) {
            cases.vector(op);
        }
        cases.tiles();
        return cases.all;
    }

    /** Prints the instructions, for GNU as. */
    public static void main(String[] args) {
        System.out.println(".intel_syntax noprefix");
        all().forEach(c -> System.out.println(c.text));
    }

    private void add(String text, Consumer<Assembler> code) {
        all.add(new Case(text, code));
    }

    private void general() {
        Gpr[][] pairs = {{Gpr.RAX, Gpr.RBX}, {Gpr.RSP, Gpr.R12}, {Gpr.R13, Gpr.RBP}, {Gpr.R8, Gpr.R15}};
        for (Gpr[] p : pairs) {
            Gpr x = p[0];
            Gpr y = p[1];
            String both = " " + x + ", " + y;
            add("mov" + both, a -> a.mov(x, y));
            add("test" + both, a -> a.test(x, y));
            add("imul" + both, a -> a.imul(x, y));
            for (int f : new int[] {3, -128, 1000}) {
                add("imul" + both + ", " + f, a -> a.imul(x, y, f));
            }
            for (Alu op : Alu.values()) {
                add(op + both, a -> a.op(op, x, y));
                for (int v : new int[] {1, 127, -128, 128, 1 << 20}) {
                    add(op + " " + x + ", " + v, a -> a.op(op, x, v));
                }
            }
            for (Shift op : Shift.values()) {
                add(op + " " + x + ", 1", a -> a.op(op, x, 1));
                add(op + " " + y + ", 6", a -> a.op(op, y, 6));
            }
            for (Gpr r : p) {
                add("inc " + r, a -> a.increment(r));
                add("dec " + r, a -> a.decrement(r));
                add("push " + r, a -> a.push(r));
                add("pop " + r, a -> a.pop(r));
                add("mov " + r.lower() + ", 0", a -> a.mov(r, 0));
                add("mov " + r.lower() + ", 0xffffffff", a -> a.mov(r, 0xffff_ffffL));
                add("mov " + r + ", -2", a -> a.mov(r, -2));
                add("movabs " + r + ", 0x123456789abcdef0", a -> a.mov(r, 0x1234_5678_9abc_def0L));
            }
        }
        for (Mem m : PLACES) {
            Gpr r = Gpr.values()[turn++ % 16];
            add("mov " + r + ", " + m, a -> a.mov(r, m));
            add("mov " + m + ", " + r, a -> a.mov(m, r));
            add("mov " + r.lower() + ", " + m, a -> a.movInt(r, m));
            add("mov " + m + ", " + r.lower(), a -> a.movInt(m, r));
            add("movzx " + r.lower() + ", word ptr " + m, a -> a.movzxWord(r, m));
            add("movzx " + r.lower() + ", byte ptr " + m, a -> a.movzxByte(r, m));
            add("lea " + r + ", " + m, a -> a.lea(r, m));
            for (Alu op : Alu.values()) {
                add(op + " " + r + ", " + m, a -> a.op(op, r, m));
            }
            for (Prefetch p : Prefetch.values()) {
                add(p + " " + m, a -> a.op(p, m));
            }
        }
        add("ret", Assembler::ret);
        add("cpuid", Assembler::cpuid);
        add("xgetbv", Assembler::xgetbv);
        add("vzeroupper", Assembler::vzeroupper);
    }

    private void vector(VectorOp op) {
        switch (op) {
            case KMOVW, KMOVD, KMOVQ -> masks(op);
            case VCMPPS -> compares(op);
            case VPTESTMD -> {
                Vec low = Vec.zmm(5);
                Vec high = Vec.zmm(30);
                Mask k = Mask.k(6);
                add(op + " " + k + ", " + low + ", " + high, a -> a.op(op, k, low, high));
                add(op + " " + k + ", " + high + ", " + low, a -> a.op(op, k, high, low));
            }
            case VMOVSS, VMOVSD -> {
                memory(op, 128, false);
                stores(op, 128);
            }
            case VBROADCASTF32X4 -> {
                memory(op, 256, true);
                memory(op, 512, true);
            }
            case VBROADCASTF64X4 -> memory(op, 512, true);
            case VMOVD -> {
                memory(op, 128, false);
                stores(op, 128);
                toAndFrom(op);
            }
            default -> {
                for (int bits : lengths(op)) {
                    registers(op, bits);
                    if (op.form == VectorOp.Form.MR) {
                        extracts(op, bits);
                    } else if (op.form != VectorOp.Form.VM) {
                        memory(op, bits, true);
                    }
                    if (op == VectorOp.VMOVUPS) {
                        stores(op, bits);
                    }
                    if (op == VectorOp.VPBROADCASTD || op == VectorOp.VPBROADCASTW) {
                        for (Gpr r : new Gpr[] {Gpr.RAX, Gpr.R14}) {
                            for (int n : new int[] {3, 20}) {
                                Vec to = new Vec(n, bits, 0, false);
                                add(op + " " + to + ", " + r.lower(), a -> a.op(op, to, r));
                            }
                        }
                    }
                }
            }
        }
    }

    private void compares(VectorOp op) {
        for (int bits : lengths(op)) {
            emit(op, Mask.k(2), new Vec(9, bits, 0, false), new Vec(30, bits, 0, false));
            emit(op, Mask.k(7), new Vec(22, bits, 0, false), place());
            emit(op, Mask.k(1), new Vec(3, bits, 0, false), place().broadcast());
        }
    }

    private void tiles() {
        add("tilerelease", a -> a.op(TileOp.TILERELEASE));
        for (Mem m : PLACES) {
            add("ldtilecfg " + m, a -> a.op(TileOp.LDTILECFG, m));
            if (m.index() != null) {
                Tile t = Tile.tmm(turn++ % 8);
                add("tileloadd " + t + ", " + m, a -> a.op(TileOp.TILELOADD, t, m));
                add("tilestored " + m + ", " + t, a -> a.op(TileOp.TILESTORED, m, t));
            }
        }
        for (int i = 0; i < 8; i++) {
            Tile t = Tile.tmm(i);
            Tile b = Tile.tmm((i + 3) % 8);
            Tile c = Tile.tmm((i + 5) % 8);
            add("tilezero " + t, a -> a.op(TileOp.TILEZERO, t));
            add("tdpbf16ps " + t + ", " + b + ", " + c, a -> a.op(TileOp.TDPBF16PS, t, b, c));
        }
    }

    private void masks(VectorOp op) {
        for (Gpr r : new Gpr[] {Gpr.RCX, Gpr.R10}) {
            String name = op == VectorOp.KMOVQ ? r.toString() : r.lower();
            Mask k = Mask.k(5);
            add(op + " " + k + ", " + name, a -> a.op(op, k, r));
            add(op + " " + name + ", " + k, a -> a.op(op, r, k));
        }
    }

    private void toAndFrom(VectorOp op) {
        for (Gpr r : new Gpr[] {Gpr.RCX, Gpr.R10}) {
            for (int n : new int[] {2, 12, 29}) {
                Vec v = Vec.xmm(n);
                add(op + " " + v + ", " + r.lower(), a -> a.op(op, v, r));
                add(op + " " + r.lower() + ", " + v, a -> a.op(op, r, v));
            }
        }
    }

    private static int[] lengths(VectorOp op) {
        return switch (op) {
            case VADDSS, VMULSS, VFMADD231SS, VEXTRACTPS, VADDSD, VMULSD, VDIVSD, VSQRTSD, VCVTSS2SD, VCVTSD2SS ->
                new int[] {128};
            case VINSERTF64X4, VEXTRACTF64X4, VBROADCASTSD -> new int[] {512};
            case VINSERTF32X4, VEXTRACTF32X4, VSHUFF32X4, VPERMPS, VPERMD -> new int[] {256, 512};
            default -> new int[] {128, 256, 512};
        };
    }

    private static boolean hasImmediate(VectorOp op) {
        return switch (op) {
            case VSHUFPS,
                    VCMPPS,
                    VSHUFF32X4,
                    VINSERTF32X4,
                    VINSERTF64X4,
                    VPTERNLOGD,
                    VEXTRACTF32X4,
                    VEXTRACTF64X4,
                    VEXTRACTPS,
                    VCVTPS2PH,
                    VPSHUFD -> true;
            default -> op.form == VectorOp.Form.VM;
        };
    }

    /** Bits of the register that an instruction of this length takes where it could take memory. */
    private static int other(VectorOp op, int bits) {
        return Math.clamp(8 * op.tuple.bytes(bits / 8, false), 128, bits);
    }

    private void emit(VectorOp op, Operand... o) {
        String text =
                op + " " + String.join(", ", Stream.of(o).map(Object::toString).toList());
        for (Operand x : o) {
            if (x instanceof Mem m && m.isBroadcast()) {
                text += "{1to" + (o[0] instanceof Vec v ? v : (Vec) o[1]).bits() / 32 + "}";
            }
        }
        boolean immediate = hasImmediate(op);
        add(immediate ? text + ", 1" : text, a -> {
            if (o.length == 3 && immediate) {
                a.op(op, o[0], o[1], o[2], 1);
            } else if (o.length == 3) {
                a.op(op, o[0], o[1], o[2]);
            } else if (immediate) {
                a.op(op, o[0], o[1], 1);
            } else {
                a.op(op, o[0], o[1]);
            }
        });
    }

    private void registers(VectorOp op, int bits) {
        // the second source stays below 8 where VEX is possible: as would swap it with the first
        int[][] numbers = {{1, 2, 3}, {8, 13, 5}, {31, 7, 16}, {14, 24, 9}, {15, 0, 27}};
        for (int[] n : numbers) {
            Vec a = new Vec(n[0], op.form == VectorOp.Form.MR ? other(op, bits) : bits, 0, false);
            Vec b = new Vec(n[1], bits, 0, false);
            Vec c = new Vec(n[2], other(op, bits), 0, false);
            if (op == VectorOp.VEXTRACTPS) {
                emit(op, at(Gpr.RAX), b);
            } else if (op.form == VectorOp.Form.RVM) {
                emit(op, a, b, c);
            } else if (op.form == VectorOp.Form.RM) {
                emit(op, a, c);
            } else {
                emit(op, a, b);
            }
        }
        if (op == VectorOp.VEXTRACTPS) {
            return;
        }
        Vec masked = new Vec(4, op.form == VectorOp.Form.MR ? other(op, bits) : bits, 3, turn++ % 2 == 0);
        Vec b = new Vec(5, bits, 0, false);
        Vec c = new Vec(6, other(op, bits), 0, false);
        if (op.form == VectorOp.Form.RVM) {
            emit(op, masked, b, c);
        } else {
            emit(op, masked, op.form == VectorOp.Form.RM ? c : b);
        }
    }

    private Mem place() {
        return PLACES[turn++ % PLACES.length];
    }

    private void memory(VectorOp op, int bits, boolean masks) {
        for (int i = 0; i < 7; i++) {
            Mem m = place();
            Vec to = new Vec(5 * turn % 32, bits, masks && i == 5 ? 2 : 0, masks && i == 5);
            Mem from = op.tuple == VectorOp.Tuple.FULL && i >= 4 ? m.broadcast() : m;
            if (op.form == VectorOp.Form.RVM) {
                emit(op, to, new Vec(11 * turn % 32, bits, 0, false), from);
            } else {
                emit(op, to, from);
            }
        }
    }

    private void stores(VectorOp op, int bits) {
        for (int i = 0; i < 5; i++) {
            emit(op, place(), new Vec(7 * turn % 32, bits, 0, false));
        }
        if (op == VectorOp.VMOVUPS) {
            for (int n : new int[] {3, 30}) {
                Mem m = place();
                Vec v = new Vec(n, bits, 0, false);
                add(op + " " + m + "{k6}, " + v, a -> a.op(op, m, v.merging(Mask.k(6))));
            }
        }
    }

    private void extracts(VectorOp op, int bits) {
        for (int i = 0; i < 6; i++) {
            emit(op, place(), new Vec(7 * turn % 32, bits, 0, false));
        }
    }
}
