package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.SizeClass;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Threads and the context of the device, and the pool's statistics. */
@Tag("gpu")
class ContextTest {
    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    private static void work(ExecutorService threads, int tasks) throws Exception {
        try (threads) {
            List<Future<float[]>> all = new ArrayList<>();
            for (int i = 0; i < tasks; i++) {
                float x = i;
                all.add(threads.submit(() -> Scope.run(() -> {
                    Tensor t = Tensor.of(new float[] {x, 1}, 2).to(CatalogRun.CUDA);
                    return t.scale(2).add(t).toFloats();
                })));
            }
            for (int i = 0; i < tasks; i++) {
                assertArrayEquals(new float[] {3 * i, 3}, all.get(i).get());
            }
        }
    }

    @Test
    void aPlatformThreadEntersTheContextOnce() throws Exception {
        long before = CatalogRun.backend().card().entries();
        work(Executors.newFixedThreadPool(1), 12);
        work(Executors.newFixedThreadPool(1), 12);
        assertEquals(before + 2, CatalogRun.backend().card().entries());
    }

    @Test
    void virtualThreadsEnterItWhereverTheyRun() throws Exception {
        work(Executors.newVirtualThreadPerTaskExecutor(), 24);
    }

    @Test
    void thePoolCountsLiveAndCachedBuffersByTheirSize() {
        CudaBackend backend = CatalogRun.backend();
        String before = System.getProperty("quern.cuda.pool");
        System.setProperty("quern.cuda.pool", "on");
        CudaPool pool = new CudaPool(backend.card());
        if (before == null) {
            System.clearProperty("quern.cuda.pool");
        } else {
            System.setProperty("quern.cuda.pool", before);
        }
        Buffer a = pool.allocate(backend, 1000);
        Buffer b = pool.allocate(backend, 900);
        Buffer c = pool.allocate(backend, 5000);
        assertEquals(List.of(new SizeClass(5120, 1, 0), new SizeClass(1024, 2, 0)), pool.sizeClasses());
        a.release();
        c.release();
        assertEquals(List.of(new SizeClass(5120, 0, 1), new SizeClass(1024, 1, 1)), pool.sizeClasses());
        assertEquals(1024, pool.stats().live());
        assertEquals(5120 + 2 * 1024, pool.stats().reserved());
        assertEquals(5120 + 2 * 1024, pool.stats().peak());
        Buffer again = pool.allocate(backend, 4900);
        assertEquals(3, pool.stats().systemAllocations());
        again.release();
        b.release();
        pool.trim();
        assertTrue(pool.sizeClasses().isEmpty());
        assertEquals(0, pool.stats().reserved());
    }
}
