package io.quern.cuda.driver;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * Copies between the host and the device by way of pinned memory, which the device reaches at full speed and without the host.
 * It has two halves. Writes fill one piece by piece and do not wait; a half is filled anew only after the copies from it are
 * done, which an event tells. Reads copy into one half while the other is emptied. The caller holds the monitor of the device.
 */
final class Staging {
    private static final int HALF = 4 << 20;
    private static final int ALIGNMENT = 64;
    private static final int NO_TIMING = 2;

    private final CudaDevice device;
    private final CUstream stream;
    private final Pointer[] pointers = new Pointer[2];
    private final MemorySegment[] memory = new MemorySegment[2];
    private final CUevent[] done = new CUevent[2];
    private int half;
    private long used;

    Staging(CudaDevice device) {
        this.device = device;
        this.stream = device.stream();
        for (int i = 0; i < 2; i++) {
            pointers[i] = CudaDevice.hostMemory(HALF);
            memory[i] = CudaDevice.memory(pointers[i], HALF);
            done[i] = new CUevent();
            device.check(JCudaDriver.cuEventCreate(done[i], NO_TIMING), "creating an event");
        }
    }

    void write(MemorySegment source, long address) {
        for (long at = 0; at < source.byteSize(); ) {
            long n = Math.min(HALF, source.byteSize() - at);
            if (used + n > HALF) {
                turn();
            }
            MemorySegment.copy(source, at, memory[half], used, n);
            device.check(
                    JCudaDriver.cuMemcpyHtoDAsync(
                            RawPointer.device(address + at), pointers[half].withByteOffset(used), n, stream),
                    "copying " + n + " bytes to the device");
            used = (used + n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            at += n;
        }
    }

    /** Goes on with the other half, once what was copied from it is there. */
    private void turn() {
        device.check(JCudaDriver.cuEventRecord(done[half], stream), "recording an event");
        half = 1 - half;
        used = 0;
        device.check(JCudaDriver.cuEventSynchronize(done[half]), "waiting for a copy to the device");
    }

    void read(long address, MemorySegment target) {
        long size = target.byteSize();
        fetch(address, 0, size, 0);
        for (long at = 0, i = 0; at < size; at += HALF, i++) {
            int now = (int) (i & 1);
            fetch(address, at + HALF, size, 1 - now);
            device.check(JCudaDriver.cuEventSynchronize(done[now]), "copying from the device");
            MemorySegment.copy(memory[now], 0, target, at, Math.min(HALF, size - at));
        }
        // All that was started is done, copies from either half too.
        if (size == 0) {
            device.check(JCudaDriver.cuStreamSynchronize(stream), "waiting for the device");
        }
        used = 0;
    }

    private void fetch(long address, long at, long size, int into) {
        if (at < size) {
            long n = Math.min(HALF, size - at);
            device.check(
                    JCudaDriver.cuMemcpyDtoHAsync(pointers[into], RawPointer.device(address + at), n, stream),
                    "copying " + n + " bytes from the device");
            device.check(JCudaDriver.cuEventRecord(done[into], stream), "recording an event");
        }
    }
}
