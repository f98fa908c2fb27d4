package io.quern.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.TensorException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PrefetchTest {
    private static final Batches<Batch> WINDOWS =
            TokenDataset.of(IntStream.range(0, 500).toArray()).shuffledWindows(3, 7, 1);

    /** The windows, with a note of who prepared which batch. */
    private static final class Noted implements Batches<Batch> {
        final Map<Long, Boolean> virtual = new ConcurrentHashMap<>();
        final CountDownLatch third = new CountDownLatch(1);

        @Override
        public Batch batch(long index) {
            return prepare(index).get();
        }

        @Override
        public Supplier<Batch> prepare(long index) {
            virtual.put(index, Thread.currentThread().isVirtual());
            if (index == 3) {
                third.countDown();
            }
            if (index == 50) {
                throw new TensorException("batch 50 is unreadable");
            }
            return WINDOWS.prepare(index);
        }

        @Override
        public long perEpoch() {
            return WINDOWS.perEpoch();
        }

        @Override
        public long items(Batch b) {
            return WINDOWS.items(b);
        }

        @Override
        public String unit() {
            return WINDOWS.unit();
        }
    }

    private static void assertSame(long index, Batches<Batch> batches) {
        Scope.run(() -> {
            Batch expected = WINDOWS.batch(index);
            Batch got = batches.batch(index);
            assertArrayEquals(expected.inputs().toInts(), got.inputs().toInts());
            assertArrayEquals(expected.targets().toInts(), got.targets().toInts());
            return null;
        });
    }

    @Test
    void batchesAreTheSameInWhateverOrder() {
        long buffers = Device.CPU.backend().memory().buffers();
        try (Prefetch<Batch> ahead = new Prefetch<>(WINDOWS, 3)) {
            for (long i : new long[] {0, 1, 2, 3, 4, 4, 2, 100, 101, 0, 60, 61, 63}) {
                assertSame(i, ahead);
            }
            assertEquals(WINDOWS.fingerprint(), ahead.fingerprint());
        }
        assertEquals(buffers, Device.CPU.backend().memory().buffers(), "what was not used holds no memory");
    }

    @Test
    void theNextOnesArePreparedOnVirtualThreads() throws InterruptedException {
        Noted noted = new Noted();
        try (Prefetch<Batch> ahead = new Prefetch<>(noted, 3)) {
            assertSame(0, ahead);
            noted.third.await();
            assertSame(3, ahead);
        }
        assertFalse(noted.virtual.get(0L));
        assertTrue(noted.virtual.get(3L));
    }

    @Test
    void whatGoesWrongGoesWrongWhereItIsUsed() {
        try (Prefetch<Batch> ahead = new Prefetch<>(new Noted(), 2)) {
            assertSame(49, ahead);
            TensorException e = assertThrows(TensorException.class, () -> ahead.batch(50));
            assertEquals("batch 50 is unreadable", e.getMessage());
            assertSame(51, ahead);
        }
        assertThrows(IllegalArgumentException.class, () -> new Prefetch<>(WINDOWS, 0));
    }
}
