package io.quern.tensor.cpu.x86;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * Writes x86-64 instructions. Operands come in the order of Intel's manual, the destination first:
 *
 * <pre>{@code
 * Assembler a = new Assembler();
 * Label loop = new Label();
 * a.bind(loop);
 * a.op(VMOVUPS, zmm(1), at(RDI));
 * a.op(VFMADD231PS, zmm(0), zmm(1), at(RSI, 64));
 * a.op(ADD, RDI, 64);
 * a.decrement(RDX);
 * a.jump(NOT_EQUAL, loop);
 * a.ret();
 * byte[] code = a.code();
 * }</pre>
 *
 * <p>Encodings are those of GNU as, which is what the test compares them with: VEX where it can say the same as EVEX,
 * displacements of 8 bits where they fit. What cannot be encoded is refused with an {@link IllegalArgumentException};
 * whether an instruction exists in the given length is not checked. The result runs anywhere: jumps and tables are
 * relative.
 */
public final class Assembler {
    private byte[] buffer = new byte[1024];
    private int size;
    private final List<Fixup> fixups = new ArrayList<>();

    /** Four bytes at {@code at} that count from {@code end}, the end of their instruction, to the label. */
    private record Fixup(int at, int end, Label label, int plus) {}

    /** Bytes so far. */
    public int size() {
        return size;
    }

    /** The code, with all places of labels filled in. */
    public byte[] code() {
        for (Fixup f : fixups) {
            if (!f.label.isBound()) {
                throw new IllegalStateException("a label is used at " + f.at + " but not bound");
            }
            putInt(f.at, f.label.position + f.plus - f.end);
        }
        return Arrays.copyOf(buffer, size);
    }

    /** Says that a label is here. */
    public void bind(Label label) {
        if (label.isBound()) {
            throw new IllegalStateException("the label is bound already");
        }
        label.position = size;
    }

    /** Fills up to a multiple of {@code bytes}, with instructions that do nothing. */
    public void align(int bytes) {
        int missing = Math.floorMod(-size, bytes);
        while (missing > 0) {
            int n = Math.min(missing, 8);
            bytes(NOPS[n - 1]);
            missing -= n;
        }
    }

    private static final int[][] NOPS = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0},
        {0x0f, 0x1f, 0x44, 0, 0},
        {0x66, 0x0f, 0x1f, 0x44, 0, 0},
        {0x0f, 0x1f, 0x80, 0, 0, 0, 0},
        {0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}
    };

    /** Constants, behind the code: a table for {@link Mem#at(Label)}. */
    public void ints(int... values) {
        for (int v : values) {
            int32(v);
        }
    }

    /** Constants, as {@link #ints}. */
    public void floats(float... values) {
        for (float v : values) {
            int32(Float.floatToRawIntBits(v));
        }
    }

    // ---- general registers ----

    public void mov(Gpr to, Gpr from) {
        rex(true, from.number(), 0, to.number());
        bytes(0x89, 0xc0 | (from.number() & 7) << 3 | to.number() & 7);
    }

    /** In as few bytes as the value needs. */
    public void mov(Gpr to, long value) {
        if (value >= 0 && value <= 0xffff_ffffL) {
            rex(false, 0, 0, to.number());
            bytes(0xb8 | to.number() & 7);
            int32((int) value);
        } else if (value == (int) value) {
            rex(true, 0, 0, to.number());
            bytes(0xc7, 0xc0 | to.number() & 7);
            int32((int) value);
        } else {
            rex(true, 0, 0, to.number());
            bytes(0xb8 | to.number() & 7);
            int32((int) value);
            int32((int) (value >>> 32));
        }
    }

    public void mov(Gpr to, Mem from) {
        withMemory(true, to.number(), from, 0x8b);
    }

    public void mov(Mem to, Gpr from) {
        withMemory(true, from.number(), to, 0x89);
    }

    /** The 32 bits there; the upper ones become 0. */
    public void movInt(Gpr to, Mem from) {
        withMemory(false, to.number(), from, 0x8b);
    }

    /** Stores the lower 32 bits. */
    public void movInt(Mem to, Gpr from) {
        withMemory(false, from.number(), to, 0x89);
    }

    /** The 16 bits there; the upper ones become 0. */
    public void movzxWord(Gpr to, Mem from) {
        withMemory(false, to.number(), from, 0x0f, 0xb7);
    }

    /** The 8 bits there; the upper ones become 0. */
    public void movzxByte(Gpr to, Mem from) {
        withMemory(false, to.number(), from, 0x0f, 0xb6);
    }

    /** The address itself. */
    public void lea(Gpr to, Mem place) {
        withMemory(true, to.number(), place, 0x8d);
    }

    public void op(Alu op, Gpr to, Gpr from) {
        rex(true, from.number(), 0, to.number());
        bytes(op.digit << 3 | 1, 0xc0 | (from.number() & 7) << 3 | to.number() & 7);
    }

    public void op(Alu op, Gpr to, Mem from) {
        withMemory(true, to.number(), from, op.digit << 3 | 3);
    }

    public void op(Alu op, Gpr to, int value) {
        rex(true, 0, 0, to.number());
        if (value == (byte) value) {
            bytes(0x83, 0xc0 | op.digit << 3 | to.number() & 7, value);
        } else if (to == Gpr.RAX) {
            bytes(op.digit << 3 | 5);
            int32(value);
        } else {
            bytes(0x81, 0xc0 | op.digit << 3 | to.number() & 7);
            int32(value);
        }
    }

    public void op(Shift op, Gpr to, int count) {
        rex(true, 0, 0, to.number());
        if (count == 1) {
            bytes(0xd1, 0xc0 | op.digit << 3 | to.number() & 7);
        } else {
            bytes(0xc1, 0xc0 | op.digit << 3 | to.number() & 7, count);
        }
    }

    public void test(Gpr a, Gpr b) {
        rex(true, b.number(), 0, a.number());
        bytes(0x85, 0xc0 | (b.number() & 7) << 3 | a.number() & 7);
    }

    public void imul(Gpr to, Gpr from) {
        rex(true, to.number(), 0, from.number());
        bytes(0x0f, 0xaf, 0xc0 | (to.number() & 7) << 3 | from.number() & 7);
    }

    public void imul(Gpr to, Gpr from, int factor) {
        rex(true, to.number(), 0, from.number());
        int modrm = 0xc0 | (to.number() & 7) << 3 | from.number() & 7;
        if (factor == (byte) factor) {
            bytes(0x6b, modrm, factor);
        } else {
            bytes(0x69, modrm);
            int32(factor);
        }
    }

    public void increment(Gpr r) {
        rex(true, 0, 0, r.number());
        bytes(0xff, 0xc0 | r.number() & 7);
    }

    public void decrement(Gpr r) {
        rex(true, 0, 0, r.number());
        bytes(0xff, 0xc8 | r.number() & 7);
    }

    public void push(Gpr r) {
        rex(false, 0, 0, r.number());
        bytes(0x50 | r.number() & 7);
    }

    public void pop(Gpr r) {
        rex(false, 0, 0, r.number());
        bytes(0x58 | r.number() & 7);
    }

    /** Begins a function: pushes registers that belong to the caller. */
    public void save(Gpr... registers) {
        for (Gpr r : registers) {
            push(r);
        }
    }

    /** Ends a function that began with {@link #save} of the same registers and used vectors. */
    public void restoreAndReturn(Gpr... registers) {
        for (int i = registers.length - 1; i >= 0; i--) {
            pop(registers[i]);
        }
        vzeroupper();
        ret();
    }

    // ---- control ----

    public void jump(Label to) {
        jump(to, 0xeb, 0xe9);
    }

    public void jump(Condition when, Label to) {
        jump(to, 0x70 | when.ordinal(), 0x0f, 0x80 | when.ordinal());
    }

    /** Backwards with 8 bits where they reach; forwards always with 32, as the distance is not known yet. */
    private void jump(Label to, int near, int... far) {
        if (to.isBound()) {
            int distance = to.position - (size + 2);
            if (distance == (byte) distance) {
                bytes(near, distance);
                return;
            }
        }
        bytes(far);
        fixups.add(new Fixup(size, size + 4, to, 0));
        int32(0);
    }

    public void ret() {
        bytes(0xc3);
    }

    /** Leaves and subleaf in eax and ecx, results in eax, ebx, ecx and edx. */
    public void cpuid() {
        bytes(0x0f, 0xa2);
    }

    /** Of the register in ecx, to edx and eax. */
    public void xgetbv() {
        bytes(0x0f, 0x01, 0xd0);
    }

    public void vzeroupper() {
        bytes(0xc5, 0xf8, 0x77);
    }

    public void op(Prefetch level, Mem place) {
        withMemory(false, level.ordinal(), place, 0x0f, 0x18);
    }

    // ---- vectors ----

    public void op(VectorOp op, Operand a, Operand b) {
        encode(op, a, b, null, -1);
    }

    public void op(VectorOp op, Operand a, Operand b, int immediate) {
        encode(op, a, b, null, immediate & 0xff);
    }

    public void op(VectorOp op, Operand a, Operand b, Operand c) {
        encode(op, a, b, c, -1);
    }

    public void op(VectorOp op, Operand a, Operand b, Operand c, int immediate) {
        encode(op, a, b, c, immediate & 0xff);
    }

    private void encode(VectorOp op, Operand a, Operand b, Operand c, int immediate) {
        if ((op.form == VectorOp.Form.RVM) != (c != null)) {
            throw new IllegalArgumentException(op + " does not take these operands: " + a + ", " + b + ", " + c);
        }
        switch (op.form) {
            case RVM -> vector(op, op.opcode, number(a), number(b), c, a, b, immediate);
            case MR -> vector(op, op.opcode, number(b), 0, a, a, b, immediate);
            case VM -> vector(op, op.opcode, op.other, number(a), b, a, b, immediate);
            case RM -> {
                boolean toMask = a instanceof Gpr && b instanceof Mask;
                boolean store = a instanceof Mem || a instanceof Gpr && b instanceof Vec;
                boolean spread = b instanceof Gpr && op.tuple != VectorOp.Tuple.WHOLE && op != VectorOp.VMOVD;
                int opcode = toMask || store || spread ? op.other : op.opcode;
                if (opcode < 0) {
                    throw new IllegalArgumentException(op + " does not take these operands: " + a + ", " + b);
                }
                if (store) {
                    vector(op, opcode, number(b), 0, a, a, b, immediate);
                } else {
                    vector(op, opcode, number(a), 0, b, a, b, immediate);
                }
            }
        }
    }

    private static int number(Operand o) {
        return switch (o) {
            case Vec v -> v.number();
            case Gpr g -> g.number();
            case Mask k -> k.number();
            case Tile t -> t.number();
            case Mem m -> throw new IllegalArgumentException("a register is expected, found " + m);
        };
    }

    /** Bits of the longest vector among the operands. */
    private static int length(Operand... operands) {
        int bits = 128;
        for (Operand o : operands) {
            if (o instanceof Vec v) {
                bits = Math.max(bits, v.bits());
            }
        }
        return bits;
    }

    private void vector(
            VectorOp op, int opcode, int reg, int vvvv, Operand rm, Operand first, Operand second, int immediate) {
        int bits = length(first, second, rm);
        boolean store = first instanceof Mem; // the mask stands at the register that is stored then
        Vec destination = first instanceof Vec v ? v : second instanceof Vec v && store ? v : null;
        int mask = destination == null ? 0 : destination.mask();
        if (store && destination != null && destination.zeroing()) {
            throw new IllegalArgumentException(op + " cannot zero lanes of memory");
        }
        boolean broadcast = rm instanceof Mem m && m.isBroadcast();
        if (broadcast && op.tuple != VectorOp.Tuple.FULL) {
            throw new IllegalArgumentException(op + " cannot broadcast an element of memory");
        }
        boolean low = reg < 16 && vvvv < 16 && (rm instanceof Mem || number(rm) < 16);
        boolean spread = opcode != op.opcode && rm instanceof Gpr && op.map == 2;
        boolean vex = op.hasVex && !spread && bits < 512 && low && mask == 0 && !broadcast;
        int x;
        int b;
        if (rm instanceof Mem m) {
            x = m.index() == null ? 0 : m.index().number() >> 3;
            b = m.base() == null ? 0 : m.base().number() >> 3;
        } else {
            x = number(rm) >> 4;
            b = number(rm) >> 3 & 1;
        }
        if (vex) {
            int last = (~vvvv & 15) << 3 | (bits == 256 ? 4 : 0) | op.pp();
            if (x == 0 && b == 0 && op.w != 1 && op.map == 1) {
                bytes(0xc5, (reg < 8 ? 0x80 : 0) | last);
            } else {
                bytes(0xc4, (reg < 8 ? 0x80 : 0) | (x ^ 1) << 6 | (b ^ 1) << 5 | op.map, (op.w & 1) << 7 | last);
            }
        } else {
            boolean zeroing = destination != null && destination.zeroing();
            bytes(
                    0x62,
                    (~reg >> 3 & 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | (~reg >> 4 & 1) << 4 | op.map,
                    (op.w == 0 ? 0 : 0x80) | (~vvvv & 15) << 3 | 4 | op.pp(),
                    (zeroing ? 0x80 : 0) | (bits >> 8) << 5 | (broadcast ? 0x10 : 0) | (~vvvv >> 4 & 1) << 3 | mask);
        }
        bytes(opcode);
        if (rm instanceof Mem m) {
            memory(reg, m, vex ? 1 : op.tuple.bytes(bits / 8, broadcast), immediate >= 0 ? 1 : 0);
        } else {
            bytes(0xc0 | (reg & 7) << 3 | number(rm) & 7);
        }
        if (immediate >= 0) {
            bytes(immediate);
        }
    }

    // ---- tiles ----

    /** {@link TileOp#TILERELEASE}. */
    public void op(TileOp op) {
        expect(op, op == TileOp.TILERELEASE);
        tile(op, 0, 0, null, 0xc0);
    }

    /** {@link TileOp#LDTILECFG}. */
    public void op(TileOp op, Mem place) {
        expect(op, op == TileOp.LDTILECFG);
        tile(op, 0, 0, place, 0);
    }

    /** {@link TileOp#TILEZERO}. */
    public void op(TileOp op, Tile tile) {
        expect(op, op == TileOp.TILEZERO);
        tile(op, 0, 0, null, 0xc0 | tile.number() << 3);
    }

    /** {@link TileOp#TILELOADD}. */
    public void op(TileOp op, Tile to, Mem from) {
        expect(op, op == TileOp.TILELOADD && from.index() != null);
        tile(op, to.number(), 0, from, 0);
    }

    /** {@link TileOp#TILESTORED}. */
    public void op(TileOp op, Mem to, Tile from) {
        expect(op, op == TileOp.TILESTORED && to.index() != null);
        tile(op, from.number(), 0, to, 0);
    }

    /** {@link TileOp#TDPBF16PS}: adds a b to the sums; the numbers of registers must differ. */
    public void op(TileOp op, Tile sums, Tile a, Tile b) {
        expect(op, op == TileOp.TDPBF16PS && !sums.equals(a) && !sums.equals(b) && !a.equals(b));
        tile(op, 0, b.number(), null, 0xc0 | sums.number() << 3 | a.number());
    }

    private static void expect(TileOp op, boolean fits) {
        if (!fits) {
            throw new IllegalArgumentException(op + " does not take these operands");
        }
    }

    /** @param registers ModRM where there is no place in memory */
    private void tile(TileOp op, int reg, int vvvv, Mem place, int registers) {
        int x = place == null || place.index() == null ? 0 : place.index().number() >> 3;
        int b = place == null || place.base() == null ? 0 : place.base().number() >> 3;
        bytes(0xc4, 0x80 | (x ^ 1) << 6 | (b ^ 1) << 5 | 2, (~vvvv & 15) << 3 | op.pp, op.opcode);
        if (place == null) {
            bytes(registers);
        } else {
            memory(reg, place, 1, 0);
        }
    }

    // ---- encoding ----

    private void withMemory(boolean wide, int reg, Mem m, int... opcode) {
        if (m.isBroadcast()) {
            throw new IllegalArgumentException("only vector instructions broadcast an element of memory");
        }
        rex(
                wide,
                reg,
                m.index() == null ? 0 : m.index().number(),
                m.base() == null ? 0 : m.base().number());
        bytes(opcode);
        memory(reg, m, 1, 0);
    }

    private void rex(boolean wide, int reg, int index, int base) {
        int bits = (wide ? 8 : 0) | reg >> 3 << 2 | index >> 3 << 1 | base >> 3;
        if (bits != 0) {
            bytes(0x40 | bits);
        }
    }

    /**
     * ModRM, SIB and displacement.
     *
     * @param unit what a displacement of 8 bits counts in
     * @param behind bytes of the instruction that follow
     */
    private void memory(int reg, Mem m, int unit, int behind) {
        int r = (reg & 7) << 3;
        if (m.label() != null) {
            bytes(5 | r);
            fixups.add(new Fixup(size, size + 4 + behind, m.label(), m.displacement()));
            int32(0);
            return;
        }
        int displacement = m.displacement();
        int base = m.base().number() & 7;
        boolean none = displacement == 0 && base != 5; // rbp and r13 without one mean something else
        int small = displacement / unit;
        boolean fits = displacement % unit == 0 && small == (byte) small;
        int mod = none ? 0 : fits ? 0x40 : 0x80;
        if (m.index() != null || base == 4) { // rsp and r12 need a SIB byte
            int index = m.index() == null ? 4 : m.index().number() & 7;
            bytes(mod | r | 4, Integer.numberOfTrailingZeros(m.scale()) << 6 | index << 3 | base);
        } else {
            bytes(mod | r | base);
        }
        if (!none && fits) {
            bytes(small);
        } else if (!none) {
            int32(displacement);
        }
    }

    private void bytes(int... values) {
        if (size + values.length > buffer.length) {
            buffer = Arrays.copyOf(buffer, 2 * buffer.length);
        }
        for (int v : values) {
            buffer[size++] = (byte) v;
        }
    }

    private void int32(int value) {
        bytes(value, value >> 8, value >> 16, value >> 24);
    }

    private void putInt(int at, int value) {
        for (int i = 0; i < 4; i++) {
            buffer[at + i] = (byte) (value >> 8 * i);
        }
    }

    /** The code in hexadecimal digits, for a disassembler. */
    @Override
    public String toString() {
        return HexFormat.of().formatHex(buffer, 0, size);
    }
}
