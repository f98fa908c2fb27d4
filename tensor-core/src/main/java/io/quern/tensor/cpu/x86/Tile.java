package io.quern.tensor.cpu.x86;

/** A tile register of AMX: up to 16 rows of 64 bytes, as the configuration says that was loaded before. */
public record Tile(int number) implements Operand {
    public Tile {
        if (number < 0 || number > 7) {
            throw new IllegalArgumentException("tile registers are 0 to 7, found " + number);
        }
    }

    public static Tile tmm(int number) {
        return new Tile(number);
    }

    @Override
    public String toString() {
        return "tmm" + number;
    }
}
