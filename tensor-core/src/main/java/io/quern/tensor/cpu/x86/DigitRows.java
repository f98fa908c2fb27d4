package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.RAX;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.DType;

/** Blocks of weights times x in fixed point, see {@link Digits}. */
abstract class DigitRows implements RowFormat {
    final Digits digits;

    DigitRows(DType type) {
        digits = Digits.of(type);
    }

    @Override
    public int elements() {
        return digits.elements();
    }

    @Override
    public int xBytes() {
        return digits.bytes();
    }

    @Override
    public int vectors() {
        return 0;
    }

    @Override
    public int unroll() {
        return 1;
    }

    @Override
    public int frame() {
        return 64 * RowsCode.ROWS;
    }

    /** Words 4 s to 4 s + 3: what belongs to stream s. */
    static Mask lanes(int stream) {
        return Mask.k(2 + stream);
    }

    /** Sets the masks of {@link #lanes}. */
    static void streamMasks(RowsCode c) {
        for (int s = 0; s < RowsCode.STREAMS; s++) {
            c.a.mov(RAX, 15 << 4 * s);
            c.a.op(KMOVD, lanes(s), RAX);
        }
    }

    /** The weights of a stream, which all rows meet: two vectors. */
    static Vec weights(int stream, int vector) {
        return Vec.zmm(16 + 2 * stream + vector);
    }

    /** Where the products of a stream are summed. */
    static Vec products(int stream) {
        return Vec.zmm(24 + stream);
    }

    /** Free registers: 28 to 31, and those of weights and products while they are not in use. */
    static Vec free(int i) {
        return Vec.zmm(28 + i);
    }

    /**
     * The sums of products of the bytes in {@link #weights} with a row of x, from the first digits to the last; the earlier
     * ones count 256 times at each step. Digits are loaded once for all streams. What depends on each other stands apart:
     * the processor looks ahead at no more than some 100 instructions that wait.
     *
     * @param x where the unit begins, from the place of the row in registers
     */
    void dot(RowsCode c, int row, int x, int group) {
        for (int place = Digits.PLACES - 1; place >= 0; place--) {
            for (int v = 0; v < 2; v++) {
                Vec loaded = free(v);
                c.a.op(VMOVUPS, loaded, c.xAt(row).plus(x + digits.digits(group, place, v)));
                for (int s = 0; s < RowsCode.STREAMS; s++) {
                    Vec sum = products(s);
                    if (v == 0 && place == Digits.PLACES - 1) {
                        c.a.op(VPXORD, sum, sum, sum);
                    } else if (v == 0) {
                        c.a.op(VPSLLD, sum, sum, 8);
                    }
                    c.a.op(VPDPBUSD, sum, weights(s, v), loaded);
                }
            }
        }
    }

    /** Corrects the sums of {@link #dot} for what the weights are too large by. */
    void correct(RowsCode c, int row, int x, int group) {
        c.a.op(VMOVUPS, free(0), c.xAt(row).plus(x + digits.correction(group)));
        for (int s = 0; s < RowsCode.STREAMS; s++) {
            c.a.op(VPADDD, products(s), products(s), free(0));
        }
    }
}
