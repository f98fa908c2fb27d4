package io.quern.tensor.cpu.x86;

/** A place in code, for jumps and tables; it may be used before {@link Assembler#bind} says where it is. */
public final class Label {
    int position = -1;

    boolean isBound() {
        return position >= 0;
    }
}
