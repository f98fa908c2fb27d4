package io.quern.tensor.cpu;

import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.MemoryStats;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;

/**
 * Off-heap memory by size class. A freed block goes to the free list of its class and comes back for the next request of
 * that class, so that a training step repeats without asking the system for memory.
 *
 * <p>Classes are powers of two in four steps each, which wastes at most a fifth. Small blocks are cut from slabs that stay
 * for good; large ones are given back by {@link #trim} while they are free. Memory comes from the C library: an arena of
 * the JVM would zero it, count it against the heap's limit, and stop all threads when it closes.
 */
final class CpuPool {
    private static final int ALIGNMENT = 64;
    private static final long SMALL = 1 << 18;
    private static final long SLAB = 1 << 22;

    private final Map<Long, ArrayDeque<Block>> free = new HashMap<>();
    private long slab;
    private long slabUsed = SLAB;

    private long live;
    private long peak;
    private long reserved;
    private long buffers;
    private long systemAllocations;

    /** Memory of one class; {@code raw} is what the C library gave, or 0 where the block is part of a slab. */
    private record Block(long address, long size, long raw) {}

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
        if (SLAB - slabUsed < size) {
            slab = align(system(SLAB));
            slabUsed = 0;
        }
        Block block = new Block(slab + slabUsed, size, 0);
        slabUsed += size;
        return block;
    }

    private Block fresh(long size) {
        long raw = system(size);
        return new Block(align(raw), size, raw);
    }

    private static long align(long address) {
        return (address + ALIGNMENT - 1) & -ALIGNMENT;
    }

    /** Memory with room to align it. */
    private long system(long size) {
        long address = Malloc.malloc(Math.addExact(size, ALIGNMENT));
        if (address == 0) {
            throw new TensorException("out of CPU memory: asked for " + size + " bytes, " + live + " are in use by "
                    + buffers + " buffers and " + (reserved - live)
                    + " lie free in the pool; make the batch or the context"
                    + " smaller, or raise the memory limit");
        }
        reserved += size;
        systemAllocations++;
        return address;
    }

    synchronized void trim() {
        for (ArrayDeque<Block> list : free.values()) {
            for (Block b : new ArrayList<>(list)) {
                if (b.raw != 0) {
                    list.remove(b);
                    reserved -= b.size;
                    Malloc.free(b.raw);
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
