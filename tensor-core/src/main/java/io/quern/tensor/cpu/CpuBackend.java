package io.quern.tensor.cpu;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Op;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.MemoryStats;
import java.lang.foreign.MemorySegment;

/** The CPU device: a pool of off-heap memory and a set of kernels. */
final class CpuBackend implements Backend {
    private final Device device;
    private final Kernels kernels;
    private final CpuPool pool = new CpuPool();

    CpuBackend(Device device, Kernels kernels) {
        this.device = device;
        this.kernels = kernels;
    }

    @Override
    public Device device() {
        return device;
    }

    @Override
    public String description() {
        return kernels.description();
    }

    @Override
    public Buffer allocate(long bytes) {
        return pool.allocate(this, bytes);
    }

    @Override
    public void run(Op op, Tensor[] in, Tensor[] out) {
        kernels.run(op, in, out);
    }

    @Override
    public Runnable prepare(Op op, Tensor[] in, Tensor[] out, boolean fixed) {
        return kernels.prepare(op, in, out, fixed);
    }

    @Override
    public String kernel(Op op, Tensor[] in, Tensor[] out) {
        return kernels.kernel(op, in, out);
    }

    @Override
    public void read(Buffer source, long byteOffset, MemorySegment target) {
        check(source, byteOffset, target);
        MemorySegment.copy(OffHeap.ALL, source.address() + byteOffset, target, 0, target.byteSize());
    }

    @Override
    public void write(MemorySegment source, Buffer target, long byteOffset) {
        check(target, byteOffset, source);
        MemorySegment.copy(source, 0, OffHeap.ALL, target.address() + byteOffset, source.byteSize());
    }

    private static void check(Buffer buffer, long byteOffset, MemorySegment host) {
        java.util.Objects.checkFromIndexSize(byteOffset, host.byteSize(), buffer.bytes());
    }

    @Override
    public boolean hasQuantized() {
        return true;
    }

    @Override
    public MemoryStats memory() {
        return pool.stats();
    }

    @Override
    public void resetPeak() {
        pool.resetPeak();
    }

    @Override
    public void trim() {
        pool.trim();
    }
}
