package io.quern.tensor.cpu.x86;

/** How {@link RowsCode} multiplies one format of weights: in units, which follow each other along a column. */
interface RowFormat {
    /** Numbers in a unit. */
    int elements();

    /** Bytes of a unit. */
    int bytes();

    /** Vectors of x in a unit that the loop loads once for all streams; 0 if the unit reads x from memory itself. */
    int vectors();

    /** Units for each turn of the loop. */
    int unroll();

    /** Bytes that the units keep on the stack. */
    default int frame() {
        return 0;
    }

    /** Loads what stays in registers, for the whole function. */
    default void constants(RowsCode c) {}

    /** Tables, behind the code. */
    default void tables(Assembler a) {}

    /** Bytes of x in a unit. */
    default int xBytes() {
        return 4 * elements();
    }

    /** Whether a part of a unit at the end is copied to the stack, and treated as a whole unit there. */
    default boolean fillsUp() {
        return false;
    }

    /**
     * Adds a unit of all streams.
     *
     * @param x where its x begins, from the places of x in registers
     * @param places where it begins in each stream
     */
    default void units(RowsCode c, int x, Mem[] places) {
        for (int r = 0; r < c.rows; r++) {
            for (int v = 0; v < vectors(); v++) {
                c.a.op(VectorOp.VMOVUPS, c.x(r, v), c.xAt(r).plus(x + 64 * v));
            }
        }
        for (int s = 0; s < places.length; s++) {
            unit(c, s, places[s]);
        }
    }

    /** Adds the unit of one stream that begins at {@code place}, times that of each row of x. */
    default void unit(RowsCode c, int stream, Mem place) {
        throw new UnsupportedOperationException("only all streams at once");
    }

    /** The numbers after the last whole unit, fewer than 16; only formats without blocks have such. */
    default void tail(RowsCode c, int stream, Mem place) {
        throw new UnsupportedOperationException("blocks have no tail");
    }
}
