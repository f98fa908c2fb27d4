package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WorkersTest {
    private int before;

    @BeforeEach
    void remember() {
        before = Workers.threads();
    }

    @AfterEach
    void restore() {
        Workers.setThreads(before);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7})
    void runsEveryTaskOnce(int threads) {
        Workers.setThreads(threads);
        assertEquals(threads, Workers.threads());
        for (int tasks : new int[] {0, 1, 2, 3, 64, 1000}) {
            for (int round = 0; round < 50; round++) {
                AtomicIntegerArray runs = new AtomicIntegerArray(tasks);
                Workers.parallelFor(tasks, runs::incrementAndGet);
                for (int i = 0; i < tasks; i++) {
                    assertEquals(1, runs.get(i), "task " + i + " of " + tasks);
                }
            }
        }
    }

    @Test
    void callerSeesWhatTheTasksWrote() {
        Workers.setThreads(3);
        for (int round = 0; round < 2000; round++) {
            int[] plain = new int[16];
            int value = round;
            Workers.parallelFor(plain.length, i -> plain[i] = value + i);
            for (int i = 0; i < plain.length; i++) {
                assertEquals(round + i, plain[i]);
            }
        }
    }

    @Test
    void tasksMeetOnDifferentThreads() throws Exception {
        Workers.setThreads(3);
        CountDownLatch all = new CountDownLatch(3);
        ConcurrentHashMap<Thread, Boolean> seen = new ConcurrentHashMap<>();
        Workers.parallelFor(3, i -> {
            seen.put(Thread.currentThread(), true);
            all.countDown();
            try {
                all.await(); // each task holds its thread until all three run at once
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        assertEquals(3, seen.size());
        assertTrue(seen.containsKey(Thread.currentThread()), "the caller takes part");
        for (Thread t : seen.keySet()) {
            assertTrue(
                    t == Thread.currentThread() || t.isDaemon() && t.getName().startsWith("quern-worker-"),
                    t.getName());
        }
    }

    @Test
    void parkedWorkersWakeUp() throws Exception {
        Workers.setThreads(2);
        for (int round = 0; round < 20; round++) {
            Thread.sleep(1); // longer than a worker spins
            CountDownLatch both = new CountDownLatch(2);
            Workers.parallelFor(2, i -> {
                both.countDown();
                try {
                    both.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
        }
    }

    @Test
    void nestedCallsRunInTheCallingTask() {
        Workers.setThreads(4);
        AtomicIntegerArray runs = new AtomicIntegerArray(64);
        Workers.parallelFor(8, outer -> {
            Thread self = Thread.currentThread();
            Workers.parallelFor(8, inner -> {
                assertSame(self, Thread.currentThread());
                runs.incrementAndGet(outer * 8 + inner);
            });
        });
        for (int i = 0; i < 64; i++) {
            assertEquals(1, runs.get(i));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void severalCallersAtOnce(boolean virtual) throws Exception {
        Workers.setThreads(3);
        try (var callers = virtual ? Executors.newVirtualThreadPerTaskExecutor() : Executors.newFixedThreadPool(6)) {
            List<Future<Integer>> sums = new ArrayList<>();
            for (int c = 0; c < 200; c++) {
                int tasks = 1 + c % 40;
                sums.add(callers.submit(() -> {
                    AtomicInteger sum = new AtomicInteger();
                    Workers.parallelFor(tasks, i -> sum.addAndGet(i + 1));
                    return sum.get();
                }));
            }
            for (int c = 0; c < sums.size(); c++) {
                int tasks = 1 + c % 40;
                assertEquals(tasks * (tasks + 1) / 2, sums.get(c).get());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void exceptionReachesTheCallerAfterAllTasksStopped(int threads) {
        Workers.setThreads(threads);
        for (int round = 0; round < 200; round++) {
            AtomicInteger running = new AtomicInteger();
            int bad = round % 20;
            var e = assertThrows(
                    IllegalStateException.class,
                    () -> Workers.parallelFor(20, i -> {
                        running.incrementAndGet();
                        try {
                            if (i == bad) {
                                throw new IllegalStateException("task " + i);
                            }
                        } finally {
                            running.decrementAndGet();
                        }
                    }));
            assertEquals("task " + bad, e.getMessage());
            assertEquals(0, running.get());
        }
        AtomicInteger after = new AtomicInteger();
        Workers.parallelFor(100, i -> after.incrementAndGet());
        assertEquals(100, after.get(), "the pool survives");
    }

    @Test
    void errorsAreRethrownAsTheyAre() {
        Workers.setThreads(2);
        AssertionError thrown = new AssertionError("every task throws the same one");
        assertSame(
                thrown,
                assertThrows(
                        AssertionError.class,
                        () -> Workers.parallelFor(10, i -> {
                            throw thrown;
                        })));
    }

    @Test
    void interruptedCallerFinishesAndStaysInterrupted() {
        Workers.setThreads(2);
        AtomicInteger runs = new AtomicInteger();
        Thread.currentThread().interrupt();
        Workers.parallelFor(50, i -> runs.incrementAndGet());
        assertTrue(Thread.interrupted());
        assertEquals(50, runs.get());
    }

    @Test
    void sizeMayChangeWhileWorkRuns() throws Exception {
        try (var callers = Executors.newFixedThreadPool(3)) {
            List<Future<?>> work = new ArrayList<>();
            for (int c = 0; c < 2; c++) {
                work.add(callers.submit(() -> {
                    for (int round = 0; round < 3000; round++) {
                        AtomicInteger runs = new AtomicInteger();
                        Workers.parallelFor(5, i -> runs.incrementAndGet());
                        assertEquals(5, runs.get());
                    }
                }));
            }
            for (int round = 0; round < 50; round++) {
                Workers.setThreads(1 + round % 4);
            }
            for (Future<?> f : work) {
                f.get();
            }
        }
    }

    @Test
    void rangesCoverWithoutOverlap() {
        Workers.setThreads(3);
        for (long size : new long[] {0, 1, 9, 10, 11, 100, 101}) {
            AtomicIntegerArray runs = new AtomicIntegerArray((int) size);
            Workers.ranges(size, 10, (from, to) -> {
                assertTrue(from < to && to - from <= 10 && from % 10 == 0);
                for (long i = from; i < to; i++) {
                    runs.incrementAndGet((int) i);
                }
            });
            for (int i = 0; i < size; i++) {
                assertEquals(1, runs.get(i));
            }
        }
    }

    @Test
    void rejectsBadNumbers() {
        assertThrows(IllegalArgumentException.class, () -> Workers.setThreads(0));
        assertThrows(IllegalArgumentException.class, () -> Workers.parallelFor(-1, i -> {}));
        assertThrows(IllegalArgumentException.class, () -> Workers.ranges(10, 0, (from, to) -> {}));
        assertEquals(3, Workers.parse("QUERN_THREADS", " 3 "));
        for (String bad : new String[] {"", "two", "0", "-1", "1e9", "99999999999"}) {
            var e = assertThrows(TensorException.class, () -> Workers.parse("QUERN_THREADS", bad));
            assertTrue(e.getMessage().contains("QUERN_THREADS"), e.getMessage());
            assertTrue(e.getMessage().contains("\"" + bad + "\""), e.getMessage());
        }
    }
}
