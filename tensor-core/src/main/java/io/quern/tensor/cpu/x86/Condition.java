package io.quern.tensor.cpu.x86;

/** When a jump is taken, in the order of the encoding. */
public enum Condition {
    OVERFLOW,
    NO_OVERFLOW,
    BELOW,
    ABOVE_OR_EQUAL,
    EQUAL,
    NOT_EQUAL,
    BELOW_OR_EQUAL,
    ABOVE,
    NEGATIVE,
    NOT_NEGATIVE,
    PARITY,
    NO_PARITY,
    LESS,
    GREATER_OR_EQUAL,
    LESS_OR_EQUAL,
    GREATER
}
