package io.quern.tensor.cpu;

import jdk.incubator.vector.FloatVector;

/**
 * Multiplies one small tile of a matrix product out of packed panels, with all sums in registers.
 *
 * <p>The implementations differ in the width of vectors only. Each tile is one small method on heap arrays whose sums
 * are named locals: that is the form that C2 reliably compiles without spilling. Kernels straight on memory segments
 * were tried; in some JVM runs they stay slow for good. The bounds checks stay on, C2 moves them out of the loop;
 * without them (VECTOR_ACCESS_OOB_CHECK=0) it spills.
 */
interface GemmKernel {
    /** Longest stretch of k in one panel; a multiple of 16. */
    int KC = 768;

    /** Rows of a tile. */
    int rows();

    /** Elements from one column of a packed panel of A to the next: the rows and some padding. 8 or 16. */
    int pitch();

    /** Columns of a tile. */
    int columns();

    /**
     * C = A B for one tile, each element summed over k in rising order by fused multiply-adds.
     *
     * @param rows rows needed, at most {@link #rows}; for few of them, a lower tile is computed
     * @param kc length of the sum, at most {@link #KC}
     * @param a holds A [rows, kc] by columns, column k from {@code at + k * pitch} on
     * @param b holds B [kc, columns], packed, from {@code bt} on
     * @param c gets C [rows, columns], packed, from 0 on; room for a whole tile
     */
    void tile(int rows, int kc, float[] a, int at, float[] b, int bt, float[] c);

    /** The kernel for the widest vectors of this machine. */
    static GemmKernel preferred() {
        return forBits(FloatVector.SPECIES_PREFERRED.vectorBitSize());
    }

    /** The kernel for vectors of 128, 256 or 512 bits; each gives right results on any machine. */
    static GemmKernel forBits(int bits) {
        return switch (bits) {
            case 512 -> new GemmKernel512();
            case 256 -> new GemmKernel256();
            default -> new GemmKernel128();
        };
    }
}
