package io.quern.cuda.driver;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.JCudaDriver;

/**
 * A launch of a kernel, or a product by cuBLAS, that is written down before it is started. The parameters of kernels lie in
 * native memory that is reused, since Java objects for each parameter would cost ten times the call.
 */
final class LaunchCell {
    /** The most that CUDA takes. */
    private static final int VALUES = 4096;

    private static final int SLOTS = 64;

    final MemorySegment values = Arena.global().allocate(VALUES, 16);
    private final MemorySegment slots = Arena.global().allocate(SLOTS * 8L, 16);
    private final Pointer parameters = new RawPointer(slots.address());

    /** The kernel, or null for a product. */
    String name;

    CUfunction function;
    int slotCount;
    int bytes;
    int x;
    int y;
    int z;
    int threads;

    /** Bytes of dynamic shared memory. */
    int shared;

    /** The product, or null for a kernel. */
    Cublas.Call product;

    Cublas cublas;

    void begin(CUfunction f, String kernel) {
        function = f;
        name = kernel;
        product = null;
        slotCount = 0;
        bytes = 0;
        shared = 0;
    }

    void begin(Cublas library, Cublas.Call call) {
        function = null;
        name = null;
        cublas = library;
        product = call;
    }

    /** Room for a parameter; its place among the values. */
    int next(int size) {
        int here = bytes;
        slots.setAtIndex(ValueLayout.JAVA_LONG, slotCount++, values.address() + here);
        bytes += (size + 7) / 8 * 8;
        return here;
    }

    /** Where parameter {@code i} starts among the values. */
    long slot(int i) {
        return slots.getAtIndex(ValueLayout.JAVA_LONG, i) - values.address();
    }

    /** Equal for launches of the same kernel, whatever its parameters; of products for the same operands. */
    long identity() {
        return product != null ? product.hashCode() : RawPointer.handle(function);
    }

    boolean isProduct() {
        return product != null;
    }

    /** Starts it alone. */
    void start(CudaDevice device) {
        if (product != null) {
            cublas.start(product);
            return;
        }
        int result =
                JCudaDriver.cuLaunchKernel(function, x, y, z, threads, 1, 1, shared, device.stream(), parameters, null);
        if (result != 0) {
            device.check(result, describe());
        }
    }

    String describe() {
        return product != null
                ? product.describe()
                : "kernel " + name + " on " + x + " x " + y + " x " + z + " blocks of " + threads + " threads";
    }
}
