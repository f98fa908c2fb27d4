package io.quern.tensor.cpu.x86;

import java.util.Locale;

/** Instructions of two operands on general registers, in the order of the encoding; ADC and SBB are left out. */
public enum Alu {
    ADD(0),
    OR(1),
    AND(4),
    SUB(5),
    XOR(6),
    CMP(7);

    final int digit;

    Alu(int digit) {
        this.digit = digit;
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
