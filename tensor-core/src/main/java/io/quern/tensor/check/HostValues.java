package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The elements of a tensor in its own dtype, taken to the heap: no operation of the device has a part in reading them. */
record HostValues(Shape shape, DType dtype, MemorySegment bytes) {
    static HostValues of(Tensor t) {
        MemorySegment bytes =
                MemorySegment.ofArray(new byte[Math.toIntExact(t.dtype().bytes(t.shape()))]);
        t.readInto(bytes);
        return new HostValues(t.shape(), t.dtype(), bytes);
    }

    double get(long i) {
        return switch (dtype) {
            case F32 -> bytes.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * i);
            case F64 -> bytes.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, 8 * i);
            case F16 -> Float.float16ToFloat(bytes.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i));
            case BF16 -> Float.intBitsToFloat(bytes.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i) << 16);
            case I32 -> bytes.get(ValueLayout.JAVA_INT_UNALIGNED, 4 * i);
            case Q8_0, Q4_0, Q4_K, Q6_K -> throw new IllegalStateException("results are not quantised");
        };
    }
}
