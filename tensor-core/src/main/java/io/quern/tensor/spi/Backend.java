package io.quern.tensor.spi;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Op;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A device: allocates buffers, runs operations, moves bytes to and from the host. Safe for use by several threads. */
public interface Backend {
    Device device();

    /** One line for people: what the device is and which kernels it uses. */
    String description();

    /**
     * A buffer of at least {@code bytes} bytes, at least 64-byte aligned, contents undefined, with one hold.
     *
     * @throws io.quern.tensor.TensorException if the memory cannot be had
     */
    Buffer allocate(long bytes);

    /**
     * Runs {@code op}. The operands are those of {@link Op#inputs()} after packing: laid out as
     * {@link Op#layout(int)} asks; absent optional operands are null. The results are packed, uninitialised, and of the
     * shapes that {@link Op#outputs()} states. Operations that update in place have no results and write to operands.
     */
    void run(Op op, Tensor[] in, Tensor[] out);

    /**
     * {@link #run} on these operands, to be called over and over, by one thread at a time: a device may work out now what
     * {@code run} works out each time. The tensors keep their memory.
     *
     * @param fixed whether the tensors stay as they are; otherwise an operand is a view that is longer or elsewhere in its
     *     memory at every call ({@link io.quern.tensor.Recording})
     */
    default Runnable prepare(Op op, Tensor[] in, Tensor[] out, boolean fixed) {
        return () -> run(op, in, out);
    }

    /**
     * Names the kernel for an operation on these operands, for recordings: asked right after {@link #run}, which may also
     * have kept it.
     */
    default String kernel(Op op, Tensor[] in, Tensor[] out) {
        return "";
    }

    /** Copies from the device into host memory and returns when the bytes are there. */
    void read(Buffer source, long byteOffset, MemorySegment target);

    /** Copies from host memory to the device; the host memory may be reused on return. */
    void write(MemorySegment source, Buffer target, long byteOffset);

    /** Whether operations take quantised weights here; such tensors can be stored on any device. */
    default boolean hasQuantized() {
        return false;
    }

    /** Counters of this device's memory. */
    MemoryStats memory();

    /** What the pool holds by size, the largest first; empty if this device does not count that. */
    default List<SizeClass> sizeClasses() {
        return List.of();
    }

    /** Starts to measure the peak anew, from what is live now. */
    void resetPeak();

    /** Returns cached memory that holds no live buffer to the system. */
    void trim();
}
