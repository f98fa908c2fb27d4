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

    /** Adds the unit of one stream that begins at {@code place}, times that of each row of x. */
    void unit(RowsCode c, int stream, Mem place);

    /** The numbers after the last whole unit, fewer than 16; only formats without blocks have such. */
    default void tail(RowsCode c, int stream, Mem place) {
        throw new UnsupportedOperationException("blocks have no tail");
    }
}
