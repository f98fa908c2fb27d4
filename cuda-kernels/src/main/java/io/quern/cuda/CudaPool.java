package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.MemoryStats;
import io.quern.tensor.spi.SizeClass;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.TreeSet;

/**
 * Device memory by size class: powers of two cut into eight, so that at most an eighth is lost. Freed blocks are kept and
 * reused at once, which is safe although kernels may still read them: all work runs in order on one stream. The lowest address
 * comes first, so that a step which allocates like the one before gets the same addresses. Guarded by the monitor of the
 * device, which launchers hold while they take memory. The system property {@code quern.cuda.pool=off} gives every buffer an
 * allocation of its own, for finding accesses out of bounds.
 */
final class CudaPool {
    private static final long SMALLEST = 512;

    private final CudaDevice device;
    private boolean caches = !"off".equals(System.getProperty("quern.cuda.pool"));
    private final Map<Long, PriorityQueue<Long>> free = new HashMap<>();
    private final Map<Long, Integer> inUse = new HashMap<>();
    private long live;
    private long peak;
    private long reserved;
    private long buffers;
    private long systemAllocations;

    CudaPool(CudaDevice device) {
        this.device = device;
    }

    /** Memory of a pool, back to it with the last hold. */
    private final class PoolBuffer extends Buffer {
        private final long address;
        private final long size;

        PoolBuffer(Backend backend, long bytes, long address, long size) {
            super(backend, bytes);
            this.address = address;
            this.size = size;
        }

        @Override
        public long address() {
            return address;
        }

        @Override
        protected void free() {
            giveBack(address, size);
        }
    }

    /** Whether freed blocks are kept; for tests. */
    void setCaching(boolean on) {
        synchronized (device) {
            caches = on;
        }
    }

    Buffer allocate(Backend backend, long bytes) {
        long size = caches ? sizeClass(bytes) : Math.max(1, bytes);
        return new PoolBuffer(backend, bytes, take(size), size);
    }

    /** Memory for the time of a launch; it may be closed as soon as the kernels that use it are started. */
    final class Scratch implements AutoCloseable {
        private final long address;
        private final long size;

        private Scratch(long bytes) {
            size = sizeClass(bytes);
            address = take(size);
        }

        long address() {
            return address;
        }

        @Override
        public void close() {
            giveBack(address, size);
        }
    }

    /** Memory that a launcher needs beside its operands; use it in a {@code try}, as kernels may fail to load or start. */
    Scratch scratch(long bytes) {
        return new Scratch(bytes);
    }

    private long take(long size) {
        synchronized (device) {
            PriorityQueue<Long> same = free.get(size);
            long address = same == null || same.isEmpty() ? obtain(size) : same.remove();
            inUse.merge(size, 1, Integer::sum);
            live += size;
            peak = Math.max(peak, live);
            buffers++;
            return address;
        }
    }

    private void giveBack(long address, long size) {
        synchronized (device) {
            inUse.computeIfPresent(size, (s, n) -> n == 1 ? null : n - 1);
            live -= size;
            buffers--;
            if (caches) {
                free.computeIfAbsent(size, s -> new PriorityQueue<>()).add(address);
            } else {
                reserved -= size;
                device.free(address);
            }
        }
    }

    private long obtain(long size) {
        long address = device.allocate(size);
        if (address == 0 && reserved > live) {
            trim();
            address = device.allocate(size);
        }
        if (address == 0) {
            long others = device.totalMemory() - device.freeMemory() - reserved;
            throw new TensorException("out of memory on " + device.name() + ": " + mib(size) + " were asked for, "
                    + mib(device.freeMemory()) + " of " + mib(device.totalMemory()) + " are free; tensors hold "
                    + mib(live)
                    + " in " + buffers + " buffers, the pool keeps " + mib(reserved - live)
                    + " for reuse, other programs and"
                    + " the driver hold " + mib(Math.max(0, others))
                    + ". Use a smaller batch or context, weights of fewer bits (--dtype bf16), end other programs on"
                    + " the device, or use --device cpu");
        }
        reserved += size;
        systemAllocations++;
        return address;
    }

    private static String mib(long bytes) {
        return bytes < 1 << 20 ? bytes + " bytes" : (bytes >> 20) + " MiB";
    }

    /** The size of the class that {@code bytes} fall into. */
    static long sizeClass(long bytes) {
        if (bytes <= SMALLEST) {
            return SMALLEST;
        }
        long step = Math.max(SMALLEST, Long.highestOneBit(bytes - 1) / 8);
        return Math.multiplyExact((bytes + step - 1) / step, step);
    }

    MemoryStats stats() {
        synchronized (device) {
            return new MemoryStats(live, peak, reserved, buffers, systemAllocations);
        }
    }

    List<SizeClass> sizeClasses() {
        synchronized (device) {
            TreeSet<Long> sizes = new TreeSet<>(Comparator.reverseOrder());
            sizes.addAll(inUse.keySet());
            sizes.addAll(free.keySet());
            return sizes.stream()
                    .map(s -> new SizeClass(
                            s,
                            inUse.getOrDefault(s, 0),
                            free.getOrDefault(s, new PriorityQueue<>()).size()))
                    .filter(c -> c.live() + c.cached() > 0)
                    .toList();
        }
    }

    void resetPeak() {
        synchronized (device) {
            peak = live;
        }
    }

    void trim() {
        synchronized (device) {
            free.forEach((size, addresses) -> {
                for (long address : addresses) {
                    device.free(address);
                    reserved -= size;
                }
            });
            free.clear();
        }
    }
}
