package io.quern.cuda.driver;

import io.quern.tensor.TensorException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What kernels find wrong with the numbers they are given, such as ids outside a table. They go on with harmless ones and
 * leave a note in memory that the host sees; it becomes an exception at the next read, since waiting for each launch would
 * cost more than the launch. Layout and codes: {@code common.cuh}.
 */
final class Fault {
    private Fault() {}

    static void check(MemorySegment note) {
        long code = note.getAtIndex(ValueLayout.JAVA_LONG, 0);
        if (code == 0) {
            return;
        }
        long index = note.getAtIndex(ValueLayout.JAVA_LONG, 1);
        long value = note.getAtIndex(ValueLayout.JAVA_LONG, 2);
        long bound = note.getAtIndex(ValueLayout.JAVA_LONG, 3);
        note.fill((byte) 0);
        throw new TensorException(
                switch ((int) code) {
                    case 1 ->
                        "div: I32 element " + index + " of the result divides " + value
                                + " by zero; cast to a floating-point dtype first to get an infinity";
                    case 2 ->
                        "embedding: id " + value + " at position " + index
                                + " is outside the table, which has the rows 0" + " to " + (bound - 1);
                    case 3 ->
                        "cross_entropy: target " + value + " of row " + index + " is not one of the classes 0 to "
                                + (bound - 1) + " nor the one that is ignored";
                    case 4 ->
                        "attention: key " + index + " of the row table lies in row " + value
                                + " of the cache, which has the rows 0 to " + (bound - 1);
                    default -> "a kernel reports fault " + code;
                });
    }
}
