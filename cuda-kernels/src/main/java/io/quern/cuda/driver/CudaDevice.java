package io.quern.cuda.driver;

import io.quern.tensor.TensorException;
import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * One card: its primary context, one stream on which all work runs in order, copies, and launches. Callers hold the
 * monitor of this object while they prepare and start a launch; everything else is safe for several threads.
 */
public final class CudaDevice {
    private static final int DEVICE_MAP = 2;
    private static final int NON_BLOCKING = 1;
    private static final int STAGING = 1 << 20;
    private static final int FAULT_BYTES = 32;

    private final CUcontext context = new CUcontext();
    private final CUstream stream = new CUstream();
    private final String name;
    private final int capability;
    private final long totalMemory;
    private final Pointer staging;
    private final MemorySegment stagingMemory;
    private final MemorySegment fault;
    private final long faultAddress;
    private final KernelModules modules = new KernelModules(this);
    private final Launch launch = new Launch(this);
    private final Driver driver;
    private Cublas cublas;

    CudaDevice(int index, Driver driver) {
        this.driver = driver;
        CUdevice device = new CUdevice();
        Errors.check(JCudaDriver.cuDeviceGet(device, index), "opening device " + index);
        byte[] label = new byte[256];
        Errors.check(JCudaDriver.cuDeviceGetName(label, label.length, device), "reading the device's name");
        name = new String(label, java.nio.charset.StandardCharsets.UTF_8).split("\0", 2)[0];
        capability = 10 * attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
                + attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
        if (capability < 80) {
            throw new TensorException(name + " has compute capability " + capability / 10 + "." + capability % 10
                    + "; the kernels need 8.0 (Ampere) or newer. Use --device cpu");
        }
        long[] bytes = new long[1];
        Errors.check(JCudaDriver.cuDeviceTotalMem(bytes, device), "reading the device's memory size");
        totalMemory = bytes[0];
        Errors.check(JCudaDriver.cuDevicePrimaryCtxRetain(context, device), "opening a context on " + name);
        enter();
        Errors.check(JCudaDriver.cuStreamCreate(stream, NON_BLOCKING), "creating a stream");
        staging = hostMemory(STAGING);
        stagingMemory = memory(staging, STAGING);
        Pointer shared = hostMemory(FAULT_BYTES);
        fault = memory(shared, FAULT_BYTES).fill((byte) 0);
        CUdeviceptr mapped = new CUdeviceptr();
        Errors.check(JCudaDriver.cuMemHostGetDevicePointer(mapped, shared, 0), "mapping host memory");
        faultAddress = RawPointer.addressOf(mapped);
    }

    private static int attribute(CUdevice device, int which) {
        int[] value = new int[1];
        Errors.check(JCudaDriver.cuDeviceGetAttribute(value, which, device), "reading a device attribute");
        return value[0];
    }

    private Pointer hostMemory(long bytes) {
        Pointer p = new Pointer();
        Errors.check(
                JCudaDriver.cuMemHostAlloc(p, bytes, DEVICE_MAP), "allocating " + bytes + " bytes of pinned memory");
        return p;
    }

    private static MemorySegment memory(Pointer p, long bytes) {
        return MemorySegment.ofAddress(RawPointer.addressOf(p)).reinterpret(bytes);
    }

    /** Makes the context current: a context belongs to a thread of the system, and a virtual thread may have moved. */
    void enter() {
        Errors.check(JCudaDriver.cuCtxSetCurrent(context), "entering the context of " + name);
    }

    CUstream stream() {
        return stream;
    }

    /** Name and compute capability, such as {@code NVIDIA H200, sm_90}. */
    public String description() {
        return name + ", sm_" + capability + ", " + (totalMemory >> 20) + " MiB, driver for CUDA " + driver.version();
    }

    /** Where kernels report faults, as they see it. */
    public long faultAddress() {
        return faultAddress;
    }

    /** Begins a launch; see {@link Launch}. */
    public Launch launch(String kernel) {
        return launch.begin(modules.function(kernel), kernel);
    }

    /** cuBLAS on this device's stream, or null if it was not found. */
    public synchronized Cublas cublas() {
        if (cublas == null && driver.hasCublas()) {
            cublas = Cublas.open(this, driver.cublasPath());
        }
        return cublas;
    }

    // ---- memory

    /** Memory of the device, or 0 if there is not enough. */
    public long allocate(long bytes) {
        enter();
        CUdeviceptr p = new CUdeviceptr();
        int result = JCudaDriver.cuMemAlloc(p, bytes);
        if (result == Errors.OUT_OF_MEMORY) {
            return 0;
        }
        Errors.check(result, "allocating " + bytes + " bytes on " + name);
        return RawPointer.addressOf(p);
    }

    public void free(long address) {
        enter();
        Errors.check(JCudaDriver.cuMemFree(RawPointer.device(address)), "freeing device memory");
    }

    /** Bytes that the device has left. */
    public long freeMemory() {
        enter();
        long[] free = new long[1];
        long[] total = new long[1];
        Errors.check(JCudaDriver.cuMemGetInfo(free, total), "reading free memory");
        return free[0];
    }

    /** Copies to the device; the host memory may be reused on return. */
    public synchronized void write(MemorySegment source, long address) {
        enter();
        for (long at = 0; at < source.byteSize(); at += STAGING) {
            long n = Math.min(STAGING, source.byteSize() - at);
            MemorySegment.copy(source, at, stagingMemory, 0, n);
            Errors.check(
                    JCudaDriver.cuMemcpyHtoDAsync(RawPointer.device(address + at), staging, n, stream),
                    "copying " + n + " bytes to the device");
            Errors.check(JCudaDriver.cuStreamSynchronize(stream), "copying " + n + " bytes to the device");
        }
    }

    /** Copies to the host once all that was started before is done; the bytes are there on return. */
    public synchronized void read(long address, MemorySegment target) {
        enter();
        for (long at = 0; at < target.byteSize(); at += STAGING) {
            long n = Math.min(STAGING, target.byteSize() - at);
            Errors.check(
                    JCudaDriver.cuMemcpyDtoHAsync(staging, RawPointer.device(address + at), n, stream),
                    "copying " + n + " bytes from the device");
            synchronize();
            MemorySegment.copy(stagingMemory, 0, target, at, n);
        }
    }

    /** Copies within the device. */
    public void copy(long from, long to, long bytes) {
        enter();
        Errors.check(
                JCudaDriver.cuMemcpyDtoDAsync(RawPointer.device(to), RawPointer.device(from), bytes, stream),
                "copying " + bytes + " bytes on the device");
    }

    /** Sets bytes to 0. */
    public void clear(long address, long bytes) {
        enter();
        Errors.check(
                JCudaDriver.cuMemsetD8Async(RawPointer.device(address), (byte) 0, bytes, stream),
                "clearing " + bytes + " bytes on the device");
    }

    /** Waits for all that was started, and throws what kernels found wrong with their operands. */
    public synchronized void synchronize() {
        enter();
        Errors.check(JCudaDriver.cuStreamSynchronize(stream), "waiting for the device");
        Fault.check(fault);
    }
}
