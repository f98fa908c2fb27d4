package io.quern.tensor.cpu.x86;

/**
 * A place in memory: {@code base + index * scale + displacement}, or a label of the same code.
 *
 * @param index null for none
 * @param scale 1, 2, 4 or 8
 * @param isBroadcast whether one element there stands for all lanes (AVX-512)
 * @param label instead of base and index; null for none
 */
public record Mem(Gpr base, Gpr index, int scale, int displacement, boolean isBroadcast, Label label)
        implements Operand {
    public Mem {
        if ((base == null) == (label == null) || label != null && index != null) {
            throw new IllegalArgumentException("a place in memory has a base register or a label");
        }
        if (index == Gpr.RSP) {
            throw new IllegalArgumentException("rsp cannot be an index");
        }
        if (scale != 1 && scale != 2 && scale != 4 && scale != 8) {
            throw new IllegalArgumentException("an index is scaled by 1, 2, 4 or 8, found " + scale);
        }
    }

    public static Mem at(Gpr base) {
        return at(base, 0);
    }

    public static Mem at(Gpr base, int displacement) {
        return new Mem(base, null, 1, displacement, false, null);
    }

    public static Mem at(Gpr base, Gpr index, int scale) {
        return new Mem(base, index, scale, 0, false, null);
    }

    /** The place that a label marks, such as a table after the code. */
    public static Mem at(Label label) {
        return new Mem(null, null, 1, 0, false, label);
    }

    /** The place some bytes further. */
    public Mem plus(int bytes) {
        return new Mem(base, index, scale, Math.addExact(displacement, bytes), isBroadcast, label);
    }

    /** The element there, for all lanes. */
    public Mem broadcast() {
        return new Mem(base, index, scale, displacement, true, label);
    }

    @Override
    public String toString() {
        String place = "[" + base + (index == null ? "" : "+" + index + "*" + scale);
        return place + (displacement < 0 ? "" : "+") + displacement + "]";
    }
}
