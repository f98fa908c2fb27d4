package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Rng;
import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Buffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;

class CpuPoolTest {
    private static final long LARGE = 1 << 20;

    private final CpuPool pool = new CpuPool();

    private Buffer allocate(long bytes) {
        return pool.allocate(null, bytes);
    }

    @Test
    void classesHoldWhatWasAskedAndWasteAtMostAFifth() {
        long last = 0;
        for (long bytes = 0; bytes < 100_000; bytes++) {
            long size = CpuPool.sizeClass(bytes);
            assertTrue(size >= bytes && size >= last && size % 64 == 0, bytes + " in " + size);
            assertTrue(size <= 64 || size - bytes < Math.max(64, size / 4.99), bytes + " in " + size);
            last = size;
        }
        assertEquals(64, CpuPool.sizeClass(0));
        assertEquals(64, CpuPool.sizeClass(64));
        assertEquals(128, CpuPool.sizeClass(65));
        assertEquals(5L << 40, CpuPool.sizeClass((4L << 40) + 1));
        assertThrows(ArithmeticException.class, () -> CpuPool.sizeClass(Long.MAX_VALUE));
    }

    @Test
    void aFreedBlockIsUsedAgain() {
        Buffer a = allocate(LARGE);
        long address = a.address();
        a.release();
        Buffer b = allocate(LARGE - 100);
        assertEquals(address, b.address());
        Buffer other = allocate(LARGE);
        assertFalse(other.address() == address);
        b.release();
        other.release();
        assertEquals(2, pool.stats().systemAllocations());
    }

    @Test
    void blocksAreAlignedAndDoNotOverlap() {
        Rng rng = new Rng(2);
        List<Buffer> live = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            Buffer b = allocate(rng.nextInt(1 << rng.nextInt(20)));
            assertEquals(0, b.address() % 64);
            live.add(b);
            if (rng.nextInt(3) == 0) {
                live.remove(rng.nextInt(live.size())).release();
            }
        }
        live.sort((x, y) -> Long.compare(x.address(), y.address()));
        for (int i = 1; i < live.size(); i++) {
            Buffer before = live.get(i - 1);
            assertTrue(before.address() + before.bytes() <= live.get(i).address());
        }
        live.forEach(Buffer::release);
        pool.trim();
    }

    @Test
    void countersFollow() {
        Buffer a = allocate(LARGE);
        Buffer b = allocate(1000);
        long live = LARGE + CpuPool.sizeClass(1000);
        assertEquals(2, pool.stats().buffers());
        assertEquals(live, pool.stats().live());
        assertEquals(live, pool.stats().peak());
        a.release();
        assertEquals(live - LARGE, pool.stats().live());
        assertEquals(live, pool.stats().peak());
        pool.resetPeak();
        assertEquals(live - LARGE, pool.stats().peak());
        b.release();
        assertEquals(0, pool.stats().buffers());
        assertEquals(0, pool.stats().live());
    }

    @Test
    void trimReturnsLargeFreeBlocksOnly() {
        Buffer used = allocate(LARGE);
        Buffer free = allocate(LARGE);
        Buffer small = allocate(100);
        free.release();
        small.release();
        long reserved = pool.stats().reserved();
        pool.trim();
        assertEquals(reserved - LARGE, pool.stats().reserved());
        OffHeap.setFloat(used.address(), 3);
        Buffer again = allocate(LARGE);
        assertFalse(again.address() == used.address());
        assertEquals(3, OffHeap.getFloat(used.address()));
        used.release();
        again.release();
        pool.trim();
        assertEquals(reserved - 2 * LARGE, pool.stats().reserved());
    }

    @Test
    void holdsAreCounted() {
        Buffer b = allocate(10);
        b.retain();
        b.release();
        assertTrue(b.isAlive());
        b.release();
        assertFalse(b.isAlive());
        assertThrows(IllegalStateException.class, b::release);
        assertThrows(IllegalStateException.class, b::retain);
        assertFalse(b.isAlive());
        assertEquals(0, pool.stats().buffers());
    }

    @Test
    void moreThanThereIsIsAnErrorWithTheFigures() {
        Buffer a = allocate(LARGE);
        TensorException e = assertThrows(TensorException.class, () -> allocate(1L << 60));
        assertTrue(e.getMessage().contains(String.valueOf(1L << 60)), e.getMessage());
        assertTrue(e.getMessage().contains(LARGE + " are in use by 1 buffers"), e.getMessage());
        assertEquals(1, pool.stats().buffers());
        assertEquals(LARGE, pool.stats().live());
        a.release();
        pool.trim();
    }

    /** Buffers of one thread are released by another, as data loaders do. */
    @Test
    void threadsShareThePool() throws InterruptedException {
        ConcurrentLinkedQueue<Buffer> passed = new ConcurrentLinkedQueue<>();
        ConcurrentLinkedQueue<String> errors = new ConcurrentLinkedQueue<>();
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
            int id = t;
            threads.add(Thread.ofPlatform().start(() -> {
                Rng rng = new Rng(id);
                for (int i = 0; i < 5000; i++) {
                    Buffer b = allocate(8 + rng.nextInt(600));
                    OffHeap.setInt(b.address(), id * 10_000 + i);
                    OffHeap.setInt(b.address() + 4, id * 10_000 + i);
                    passed.add(b);
                    Buffer other = passed.poll();
                    if (other != null) {
                        if (OffHeap.getInt(other.address()) != OffHeap.getInt(other.address() + 4)) {
                            errors.add("a block was given out twice");
                        }
                        other.release();
                    }
                }
            }));
        }
        for (Thread t : threads) {
            t.join();
        }
        passed.forEach(Buffer::release);
        assertEquals(List.of(), List.copyOf(errors));
        assertEquals(0, pool.stats().buffers());
        assertEquals(0, pool.stats().live());
    }
}
