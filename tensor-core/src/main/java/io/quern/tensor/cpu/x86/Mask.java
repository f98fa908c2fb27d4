package io.quern.tensor.cpu.x86;

/** A mask register. k0 can hold a mask, but no instruction can be masked by it. */
public record Mask(int number) implements Operand {
    public Mask {
        if (number < 0 || number > 7) {
            throw new IllegalArgumentException("mask registers are 0 to 7, found " + number);
        }
    }

    public static Mask k(int number) {
        return new Mask(number);
    }

    @Override
    public String toString() {
        return "k" + number;
    }
}
