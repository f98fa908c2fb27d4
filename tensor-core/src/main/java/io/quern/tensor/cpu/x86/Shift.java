package io.quern.tensor.cpu.x86;

import java.util.Locale;

/** Shifts of general registers. */
public enum Shift {
    SHL(4),
    SHR(5),
    SAR(7);

    final int digit;

    Shift(int digit) {
        this.digit = digit;
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
