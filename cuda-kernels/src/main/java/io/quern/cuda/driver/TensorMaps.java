package io.quern.cuda.driver;

import io.quern.tensor.TensorException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Tensor maps: descriptions of matrices of 16-bit numbers, and of the boxes that kernels for Hopper copy of them into shared
 * memory. The driver encodes them; JCuda 12.6 does not have the function, so it is called without. Not thread-safe.
 */
public final class TensorMaps {
    /** Longs of a map, a parameter of a kernel. */
    public static final int WORDS = 16;

    /** Numbers of a row of a box: the 128 bytes over which its pieces are exchanged. */
    public static final int BOX_ROW = 64;

    private static final int MAX_RANK = 5;
    private static final int ALIGNMENT = 64;

    /** Of CUtensorMapDataType. */
    private static final int FLOAT16 = 6;

    private static final int BFLOAT16 = 9;

    private static final int SWIZZLE_128B = 3;
    private static final int PROMOTE_TO_256B = 3;

    private final MethodHandle encode;
    private final MemorySegment map = Arena.global().allocate(WORDS * 8L, ALIGNMENT);
    private final MemorySegment dims = Arena.global().allocate(MAX_RANK * 8L, 8);
    private final MemorySegment strides = Arena.global().allocate(MAX_RANK * 8L, 8);
    private final MemorySegment box = Arena.global().allocate(MAX_RANK * 4L, 8);
    private final MemorySegment steps = Arena.global().allocate(MAX_RANK * 4L, 8);

    /** @param driver the library that was loaded */
    TensorMaps(SymbolLookup driver) {
        ValueLayout.OfInt i = ValueLayout.JAVA_INT;
        ValueLayout.OfLong p = ValueLayout.JAVA_LONG;
        encode = driver.find("cuTensorMapEncodeTiled")
                .map(f -> Linker.nativeLinker()
                        .downcallHandle(f, FunctionDescriptor.of(i, p, i, i, p, p, p, p, p, i, i, i, i)))
                .orElse(null);
        for (int d = 0; d < MAX_RANK; d++) {
            steps.setAtIndex(i, d, 1);
        }
    }

    /** Whether the driver has them: those for CUDA 12 do. */
    boolean areThere() {
        return encode != null;
    }

    /**
     * The map of a tensor whose innermost numbers are neighbours.
     *
     * @param address a multiple of 16
     * @param size of each dimension, innermost first
     * @param stride of the dimensions but the innermost, in numbers: multiples of 8
     * @param rows of a box, whose rows are {@value #BOX_ROW} numbers
     * @throws TensorException if the driver refuses it
     */
    public long[] encode(boolean bfloat16, long address, long[] size, long[] stride, int rows) {
        for (int d = 0; d < size.length; d++) {
            dims.setAtIndex(ValueLayout.JAVA_LONG, d, size[d]);
            box.setAtIndex(ValueLayout.JAVA_INT, d, d == 0 ? BOX_ROW : d == 1 ? rows : 1);
            if (d > 0) {
                strides.setAtIndex(ValueLayout.JAVA_LONG, d - 1, 2 * stride[d - 1]);
            }
        }
        int status;
        try {
            status = (int) encode.invokeExact(
                    map.address(),
                    bfloat16 ? BFLOAT16 : FLOAT16,
                    size.length,
                    address,
                    dims.address(),
                    strides.address(),
                    box.address(),
                    steps.address(),
                    0,
                    SWIZZLE_128B,
                    PROMOTE_TO_256B,
                    0);
        } catch (Throwable e) {
            throw new AssertionError("a call of the driver throws nothing", e);
        }
        Errors.check(
                status,
                "describing a tensor of " + java.util.Arrays.toString(size) + " with strides "
                        + java.util.Arrays.toString(stride) + " (innermost first) for copies");
        return map.toArray(ValueLayout.JAVA_LONG);
    }
}
