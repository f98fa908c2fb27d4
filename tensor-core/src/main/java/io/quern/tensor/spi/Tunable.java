package io.quern.tensor.spi;

import io.quern.tensor.op.Op;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A backend with several kernels for the same work, which chooses among them by a table of measurements. */
public interface Tunable {
    /**
     * What one of the kernels took.
     *
     * @param variant the kernel, or how it was launched
     * @param seconds of a call, for every round; the median counts
     */
    record Timing(String variant, double[] seconds) {}

    /**
     * Says what does matrix products from now on, as {@code --gemm} has it.
     *
     * @param products null for what the device started with
     * @throws io.quern.tensor.TensorException if there is no such choice, or the device does not have it
     */
    void choose(String products);

    /**
     * Measures operations of one kind and shape, which take turns, by every kernel that can do them, and enters the times
     * into the table in use. Kernels whose results differ are left out.
     *
     * @param ops with operands on this device, in the current scope
     * @param seconds about as long as each kernel runs in each round
     * @return fastest first; empty if there is nothing to choose
     */
    List<Timing> tune(List<Op> ops, double seconds);

    /** Writes the table in use to where it is read at the next start; gives the file. */
    Path saveTable() throws IOException;

    /** Where the table is and whether it is used, then a line for each of its entries. */
    List<String> table();

    /** What did what so far: by class of shapes the kernels, each with the reason why it was taken. */
    Map<String, String> choices();
}
