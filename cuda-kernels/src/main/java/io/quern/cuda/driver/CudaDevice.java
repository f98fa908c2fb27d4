package io.quern.cuda.driver;

import io.quern.tensor.TensorException;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
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
    private static final int FAULT_BYTES = 32;
    private static final int HOPPER = 90;

    /** The device whose context is current, in platform threads. */
    private static final ThreadLocal<CudaDevice> CURRENT = new ThreadLocal<>();

    private final CUcontext context = new CUcontext();
    private final CUstream stream = new CUstream();
    private final String name;
    private final int capability;
    private final int multiprocessors;
    private final long totalMemory;
    private final Staging staging;
    private final MemorySegment fault;
    private final long faultAddress;
    private final KernelModules modules = new KernelModules(this);
    private final BlockSizes blockSizes = new BlockSizes();
    private final LaunchGraphs graphs;
    private final TensorMaps tensorMaps;
    private final Launch launch;
    private final Driver driver;
    private final AtomicLong entries = new AtomicLong();
    private Cublas cublas;
    private String lastKernel = "";
    private Runnable putOff;
    private volatile String lost;
    private volatile boolean forgives;

    CudaDevice(int index, Driver driver) {
        this.driver = driver;
        CUdevice device = new CUdevice();
        Errors.check(JCudaDriver.cuDeviceGet(device, index), "opening device " + index);
        byte[] label = new byte[256];
        Errors.check(JCudaDriver.cuDeviceGetName(label, label.length, device), "reading the device's name");
        name = new String(label, java.nio.charset.StandardCharsets.UTF_8).split("\0", 2)[0];
        capability = 10 * attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
                + attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
        multiprocessors = attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
        if (capability < 80) {
            throw new TensorException(name + " has compute capability " + capability / 10 + "." + capability % 10
                    + "; the kernels need 8.0 (Ampere) or newer. Use --device cpu");
        }
        long[] bytes = new long[1];
        Errors.check(JCudaDriver.cuDeviceTotalMem(bytes, device), "reading the device's memory size");
        totalMemory = bytes[0];
        Errors.check(JCudaDriver.cuDevicePrimaryCtxRetain(context, device), "opening a context on " + name);
        enter();
        check(JCudaDriver.cuStreamCreate(stream, NON_BLOCKING), "creating a stream");
        graphs = new LaunchGraphs(this, driver.symbols());
        launch = new Launch(this, graphs);
        tensorMaps = new TensorMaps(driver.symbols());
        staging = new Staging(this);
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

    /** Memory of the host that the device can copy from and to at full speed. */
    static Pointer hostMemory(long bytes) {
        Pointer p = new Pointer();
        Errors.check(
                JCudaDriver.cuMemHostAlloc(p, bytes, DEVICE_MAP), "allocating " + bytes + " bytes of pinned memory");
        return p;
    }

    static MemorySegment memory(Pointer p, long bytes) {
        return MemorySegment.ofAddress(RawPointer.addressOf(p)).reinterpret(bytes);
    }

    /**
     * Makes the context current. It belongs to a thread of the system: a platform thread keeps it, a virtual one may have moved
     * to a thread where another context is current.
     *
     * @throws TensorException if the device was lost
     */
    void enter() {
        if (lost != null) {
            throw new TensorException("device " + name + " cannot be used any more in this process: " + lost
                    + " Start the program again, with -Dquern.cuda.sync=true to find the kernel");
        }
        boolean virtual = Thread.currentThread().isVirtual();
        if (!virtual && CURRENT.get() == this) {
            return;
        }
        Errors.check(JCudaDriver.cuCtxSetCurrent(context), "entering the context of " + name);
        entries.incrementAndGet();
        if (!virtual) {
            CURRENT.set(this);
        }
    }

    /** How often the context was made current. */
    public long entries() {
        return entries.get();
    }

    /**
     * Throws unless a call succeeded, and remembers if the device was lost by it.
     *
     * @param what was done, such as {@code copying 12 bytes to the device}
     */
    void check(int result, String what) {
        try {
            Errors.check(result, what);
        } catch (TensorException e) {
            if (Errors.isLost(result) && !forgives && lost == null) {
                lost = what + " failed: " + Errors.name(result) + ".";
            }
            throw e;
        }
    }

    /** For tests on the emulated device, which can go on after a kernel failed. */
    public synchronized void forgive(boolean on) {
        forgives = on;
        lost = null;
    }

    CUstream stream() {
        return stream;
    }

    /** Multiprocessors of the card: how many blocks run at the same time, or a few times that. */
    public int multiprocessors() {
        return multiprocessors;
    }

    /** Name and compute capability, such as {@code NVIDIA H200, sm_90}. */
    public String description() {
        return name + ", sm_" + capability + ", " + (totalMemory >> 20) + " MiB, driver for CUDA " + driver.version();
    }

    /** Of the card, such as {@code NVIDIA H200}. */
    public String name() {
        return name;
    }

    /** Such as {@code 9.0}. */
    public String capability() {
        return capability / 10 + "." + capability % 10;
    }

    /** Of CUDA that the driver is for, such as {@code 12.4}. */
    public String driverVersion() {
        return driver.version();
    }

    /** Sizes of blocks for kernels that work with any. */
    public BlockSizes blockSizes() {
        return blockSizes;
    }

    /** Where kernels report faults, as they see it. */
    public long faultAddress() {
        return faultAddress;
    }

    /**
     * Puts off a launch that may be joined by others like it. Before whatever is started next, {@code waiting} runs and
     * launches them. The caller holds the monitor.
     */
    public void putOff(String kernel, Runnable waiting) {
        lastKernel = kernel;
        putOff = waiting;
        if (graphs.isSynchronous()) {
            settle();
        }
    }

    private void settle() {
        Runnable waiting = putOff;
        if (waiting != null) {
            putOff = null;
            waiting.run();
        }
    }

    /** Lets the device begin with all that was started, without waiting for more of it. */
    public synchronized void begin() {
        flush();
    }

    private void flush() {
        settle();
        graphs.flush();
    }

    /** Begins a launch; see {@link Launch}. */
    public Launch launch(String kernel) {
        settle();
        lastKernel = kernel;
        return launch.begin(modules.function(kernel), kernel);
    }

    /**
     * Whether kernels for Hopper alone (sm_90a) run: the card is of compute capability 9.0, and the driver can describe tensors
     * to it.
     */
    public boolean isHopper() {
        return capability == HOPPER && tensorMaps.areThere();
    }

    /** For parameters of such kernels; the caller holds the monitor. */
    public TensorMaps tensorMaps() {
        return tensorMaps;
    }

    /** Whether cuBLAS was found. */
    public boolean hasCublas() {
        return driver.hasCublas();
    }

    /** The library of cuBLAS, or null. */
    public String cublasPath() {
        return driver.cublasPath();
    }

    /** The SHA-256 of the sources of the kernels. */
    public String kernelsHash() {
        return modules.sourcesHash();
    }

    /** The kernel that a launch was last begun of; the caller holds the monitor. */
    public String lastKernel() {
        return lastKernel;
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
        graphs.tell("<allocate>");
        enter();
        CUdeviceptr p = new CUdeviceptr();
        int result = JCudaDriver.cuMemAlloc(p, bytes);
        if (result == Errors.OUT_OF_MEMORY) {
            return 0;
        }
        check(result, "allocating " + bytes + " bytes on " + name);
        return RawPointer.addressOf(p);
    }

    public synchronized void free(long address) {
        if (lost != null) {
            // The memory is gone with the context; that must not hide the error which lost it.
            return;
        }
        graphs.tell("<free>");
        try {
            flush();
        } finally {
            if (lost == null) {
                enter();
                check(JCudaDriver.cuMemFree(RawPointer.device(address)), "freeing device memory");
            }
        }
    }

    /** Bytes that the device has left. */
    public long freeMemory() {
        enter();
        long[] free = new long[1];
        long[] total = new long[1];
        check(JCudaDriver.cuMemGetInfo(free, total), "reading free memory");
        return free[0];
    }

    /** Bytes that the device has. */
    public long totalMemory() {
        return totalMemory;
    }

    /** Copies to the device, after what was started before; the host memory may be reused on return. */
    public synchronized void write(MemorySegment source, long address) {
        graphs.tell("<write>");
        flush();
        enter();
        staging.write(source, address);
    }

    /** Copies to the host once all that was started before is done; the bytes are there on return. */
    public synchronized void read(long address, MemorySegment target) {
        graphs.tell("<read>");
        flush();
        enter();
        staging.read(address, target);
        Fault.check(fault);
    }

    /** Copies within the device. */
    public synchronized void copy(long from, long to, long bytes) {
        graphs.tell("<copy>");
        flush();
        enter();
        check(
                JCudaDriver.cuMemcpyDtoDAsync(RawPointer.device(to), RawPointer.device(from), bytes, stream),
                "copying " + bytes + " bytes on the device");
    }

    /** Sets bytes to 0. */
    public synchronized void clear(long address, long bytes) {
        graphs.tell("<clear>");
        flush();
        enter();
        check(
                JCudaDriver.cuMemsetD8Async(RawPointer.device(address), (byte) 0, bytes, stream),
                "clearing " + bytes + " bytes on the device");
    }

    /** Waits for all that was started, and throws what kernels found wrong with their operands. */
    public synchronized void synchronize() {
        graphs.tell("<wait>");
        flush();
        await("waiting for the device");
        Fault.check(fault);
    }

    /** Waits for all that the driver was given. */
    void await(String what) {
        enter();
        check(JCudaDriver.cuStreamSynchronize(stream), what);
    }

    /** A product by cuBLAS, in its turn. */
    void add(Cublas library, Cublas.Call call) {
        settle();
        graphs.next().begin(library, call);
        graphs.add();
    }

    /** Whether launches go as CUDA graphs, or why not. */
    public synchronized String graphState() {
        return graphs.state();
    }

    /** The same, and how many launches went so. */
    public synchronized String graphs() {
        return graphs.describe();
    }

    /** Launches that went as parts of graphs so far. */
    public synchronized long launchesInGraphs() {
        return graphs.inGraphs();
    }

    /**
     * Tells what is started from now on: the name of a kernel, {@code cublas} for a product by that, else {@code <write>},
     * {@code <read>}, {@code <copy>}, {@code <clear>}, {@code <wait>}, {@code <allocate>}, {@code <free>}. Null ends it.
     */
    public synchronized void watch(Consumer<String> started) {
        graphs.watch(started);
    }

    /** Switches graphs on or off while the program runs, for comparisons. */
    public synchronized void useGraphs(boolean on) {
        settle();
        graphs.enable(on);
    }
}
