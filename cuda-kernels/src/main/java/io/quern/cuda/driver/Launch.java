package io.quern.cuda.driver;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.JCudaDriver;

/**
 * A launch under preparation: parameters in the order of the kernel, then {@link #run}. There is one of these a device, over
 * one block of native memory, since Java objects for each parameter would cost ten times the call.
 */
public final class Launch {
    private static final int VALUES = 4096;
    private static final int SLOTS = 64;

    private static final boolean SYNCHRONOUS = Boolean.getBoolean("quern.cuda.sync");

    private final CudaDevice device;
    private final MemorySegment values = Arena.global().allocate(VALUES, 16);
    private final MemorySegment slots = Arena.global().allocate(SLOTS * 8L, 16);
    private final Pointer parameters = new RawPointer(slots.address());
    private CUfunction function;
    private String kernel;
    private int slot;
    private int at;

    Launch(CudaDevice device) {
        this.device = device;
    }

    Launch begin(CUfunction f, String name) {
        function = f;
        kernel = name;
        slot = 0;
        at = 0;
        return this;
    }

    private int next(int bytes) {
        int here = at;
        slots.setAtIndex(ValueLayout.JAVA_LONG, slot++, values.address() + here);
        at += (bytes + 7) / 8 * 8;
        return here;
    }

    /** A pointer or a 64-bit integer. */
    public Launch i64(long x) {
        values.set(ValueLayout.JAVA_LONG, next(8), x);
        return this;
    }

    public Launch i32(int x) {
        values.set(ValueLayout.JAVA_INT, next(4), x);
        return this;
    }

    public Launch f64(double x) {
        values.set(ValueLayout.JAVA_DOUBLE, next(8), x);
        return this;
    }

    /** A structure of 64-bit members; doubles as their bits. */
    public Launch struct(long... members) {
        int here = next(8 * members.length);
        for (int i = 0; i < members.length; i++) {
            values.set(ValueLayout.JAVA_LONG, here + 8L * i, members[i]);
        }
        return this;
    }

    /** Starts the kernel on a grid of x * y * z blocks; nothing to do if that is none. */
    public void run(long x, long y, long z, int threads) {
        if (x == 0 || y == 0 || z == 0) {
            return;
        }
        device.enter();
        int result = JCudaDriver.cuLaunchKernel(
                function,
                Math.toIntExact(x),
                Math.toIntExact(y),
                Math.toIntExact(z),
                threads,
                1,
                1,
                0,
                device.stream(),
                parameters,
                null);
        if (result != 0) {
            Errors.check(
                    result,
                    "kernel " + kernel + " on " + x + " x " + y + " x " + z + " blocks of " + threads + " threads");
        }
        if (SYNCHRONOUS) {
            synchronize(x, y, z, threads);
        }
    }

    private void synchronize(long x, long y, long z, int threads) {
        Errors.check(
                JCudaDriver.cuStreamSynchronize(device.stream()),
                "kernel " + kernel + " on " + x + " x " + y + " x " + z + " blocks of " + threads + " threads");
    }
}
