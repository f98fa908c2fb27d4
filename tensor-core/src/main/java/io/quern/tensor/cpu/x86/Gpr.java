package io.quern.tensor.cpu.x86;

import java.util.Locale;

/** A general register. Instructions take all 64 bits of it where nothing else is said. */
public enum Gpr implements Operand {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15;

    int number() {
        return ordinal();
    }

    /** The name of the lower 32 bits. */
    String lower() {
        return ordinal() < 8 ? "e" + toString().substring(1) : this + "d";
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
