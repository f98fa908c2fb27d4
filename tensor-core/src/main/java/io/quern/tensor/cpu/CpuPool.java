package io.quern.tensor.cpu;

import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.MemoryStats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;

/**
 * Off-heap memory by size class. A freed block goes to the free list of its class and comes back for the next request of
 * that class, so that a training step repeats without asking the system for memory.
 *
 * <p>Classes are powers of two in four steps each, which wastes at most a fifth. Small blocks are cut from slabs of
 * 4 MiB that stay for good; large ones have an arena each, which {@link #trim} closes while they are free
 * (one arena per small tensor would cost tens of microseconds apiece, and closing a shared one stops all threads).
 */
final class CpuPool {
    private static final int ALIGNMENT = 64;
    private static final long SMALL = 1 << 18;
    private static final long SLAB = 1 << 22;

    private final Map<Long, ArrayDeque<Block>> free = new HashMap<>();
    private MemorySegment slab = MemorySegment.NULL;
    private long slabUsed;

    private long live;
    private long peak;
    private long reserved;
    private long buffers;
    private long systemAllocations;

    /** Memory of one class; its arena is null where it is part of a slab. */
    private record Block(long address, long size, Arena arena) {}

    private static final class PooledBuffer extends Buffer {
        private final CpuPool pool;
        private final Block block;

        PooledBuffer(CpuPool pool, Backend backend, long bytes, Block block) {
            super(backend, bytes);
            this.pool = pool;
            this.block = block;
        }

        @Override
        public long address() {
            return block.address;
        }

        @Override
        protected void free() {
            pool.takeBack(block);
        }
    }

    Buffer allocate(Backend backend, long bytes) {
        return new PooledBuffer(this, backend, bytes, take(sizeClass(bytes)));
    }

    /** The smallest of 64, 80, 96, 112, 128, 160, ... that holds the bytes, rounded up to whole cache lines. */
    static long sizeClass(long bytes) {
        if (bytes <= ALIGNMENT) {
            return ALIGNMENT;
        }
        long power = Long.highestOneBit(bytes - 1);
        long step = Math.max(ALIGNMENT, power / 4);
        return Math.addExact(bytes, step - 1) / step * step;
    }

    private synchronized Block take(long size) {
        ArrayDeque<Block> list = free.get(size);
        Block block = list == null ? null : list.pollLast();
        if (block == null) {
            block = size <= SMALL ? cut(size) : fresh(size);
        }
        live += size;
        buffers++;
        peak = Math.max(peak, live);
        return block;
    }

    private synchronized void takeBack(Block block) {
        live -= block.size;
        buffers--;
        free.computeIfAbsent(block.size, s -> new ArrayDeque<>()).addLast(block);
    }

    private Block cut(long size) {
        if (slab.byteSize() - slabUsed < size) {
            slab = system(Arena.global(), SLAB);
            slabUsed = 0;
        }
        Block block = new Block(slab.address() + slabUsed, size, null);
        slabUsed += size;
        return block;
    }

    private Block fresh(long size) {
        Arena arena = Arena.ofShared();
        try {
            return new Block(system(arena, size).address(), size, arena);
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    private MemorySegment system(Arena arena, long size) {
        MemorySegment s;
        try {
            s = arena.allocate(size, ALIGNMENT);
        } catch (OutOfMemoryError e) {
            throw new TensorException(
                    "out of CPU memory: asked for " + size + " bytes, " + live + " are in use by " + buffers
                            + " buffers and " + (reserved - live)
                            + " lie free in the pool; make the batch or the context smaller, or raise the limit of the"
                            + " container",
                    e);
        }
        reserved += size;
        systemAllocations++;
        return s;
    }

    synchronized void trim() {
        for (ArrayDeque<Block> list : free.values()) {
            for (Block b : new ArrayList<>(list)) {
                if (b.arena != null) {
                    list.remove(b);
                    reserved -= b.size;
                    b.arena.close();
                }
            }
        }
    }

    synchronized MemoryStats stats() {
        return new MemoryStats(live, peak, reserved, buffers, systemAllocations);
    }

    synchronized void resetPeak() {
        peak = live;
    }
}
