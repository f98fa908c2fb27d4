package io.quern.tensor.cpu.x86;

import java.util.ArrayList;
import java.util.List;

/** Numbers of 32 bits that a function needs, in a table behind its code; each stands there once. */
final class Constants {
    private final Label table = new Label();
    private final Label masks = new Label();
    private final List<Integer> values = new ArrayList<>();

    /** Where a number lies. */
    Mem at(float value) {
        return atBits(Float.floatToRawIntBits(value));
    }

    /** The number in all lanes, for an instruction that can broadcast its operand. */
    Mem all(float value) {
        return at(value).broadcast();
    }

    /** The bits in all lanes. */
    Mem allBits(int bits) {
        return atBits(bits).broadcast();
    }

    private Mem atBits(int bits) {
        int at = values.indexOf(bits);
        if (at < 0) {
            at = values.size();
            values.add(bits);
        }
        return Mem.at(table).plus(4 * at);
    }

    /** 16 ints: number n has its lower n bits set. */
    Mem masks() {
        return Mem.at(masks);
    }

    /** Puts the table here. */
    void write(Assembler a) {
        a.align(4);
        a.bind(table);
        values.forEach(a::ints);
        a.bind(masks);
        for (int i = 0; i < 16; i++) {
            a.ints((1 << i) - 1);
        }
    }
}
