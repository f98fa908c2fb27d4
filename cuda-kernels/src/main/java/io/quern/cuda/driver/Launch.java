package io.quern.cuda.driver;

import java.lang.foreign.ValueLayout;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.JCudaDriver;

/**
 * A launch under preparation: parameters in the order of the kernel, then {@link #run}. There is one of these a device, whose
 * monitor the caller holds from begin to run.
 */
public final class Launch {
    /** More dynamic shared memory than this must be asked for, kernel by kernel. */
    private static final int PLAIN_SHARED = 48 << 10;

    private final CudaDevice device;
    private final LaunchGraphs graphs;
    private final java.util.Map<CUfunction, Integer> allowed = new java.util.IdentityHashMap<>();
    private LaunchCell cell;

    Launch(CudaDevice device, LaunchGraphs graphs) {
        this.device = device;
        this.graphs = graphs;
    }

    Launch begin(CUfunction f, String name) {
        cell = graphs.next();
        cell.begin(f, name);
        return this;
    }

    /** A pointer or a 64-bit integer. */
    public Launch i64(long x) {
        cell.values.set(ValueLayout.JAVA_LONG, cell.next(8), x);
        return this;
    }

    public Launch i32(int x) {
        cell.values.set(ValueLayout.JAVA_LONG, cell.next(4), x);
        return this;
    }

    public Launch f64(double x) {
        cell.values.set(ValueLayout.JAVA_DOUBLE, cell.next(8), x);
        return this;
    }

    /** A structure of 64-bit members; doubles as their bits. */
    public Launch struct(long... members) {
        int here = cell.next(8 * members.length);
        for (int i = 0; i < members.length; i++) {
            cell.values.set(ValueLayout.JAVA_LONG, here + 8L * i, members[i]);
        }
        return this;
    }

    /** Bytes of dynamic shared memory for each block. */
    public Launch shared(int bytes) {
        cell.shared = bytes;
        if (bytes > PLAIN_SHARED && allowed.getOrDefault(cell.function, 0) < bytes) {
            device.enter();
            device.check(
                    JCudaDriver.cuFuncSetAttribute(
                            cell.function, CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes),
                    "giving kernel " + cell.name + " " + bytes + " bytes of shared memory");
            allowed.put(cell.function, bytes);
        }
        return this;
    }

    /** Starts a kernel whose threads treat elements alone, one after another if there are more than threads. */
    public void over(long n) {
        int threads = device.blockSizes().threads(cell.name, n);
        run(Math.min((n + threads - 1) / threads, BlockSizes.MOST_BLOCKS), 1, 1, threads);
    }

    /** Starts the kernel on a grid of x * y * z blocks; nothing to do if that is none. */
    public void run(long x, long y, long z, int threads) {
        if (x == 0 || y == 0 || z == 0) {
            return;
        }
        cell.x = Math.toIntExact(x);
        cell.y = Math.toIntExact(y);
        cell.z = Math.toIntExact(z);
        cell.threads = threads;
        graphs.add();
    }
}
