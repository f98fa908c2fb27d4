package io.quern.tensor.cpu;

import io.quern.tensor.TensorException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * The threads that share a kernel's work. A kernel cuts every sum <em>by the shape alone</em>, never by the number of
 * threads, and {@link #parallelFor} hands the tasks out one at a time; so results have the same bits however many
 * threads take part and however fast each of them is, and a busy neighbour delays one task, not half of the work. Most
 * kernels cut all of their work by the shape; matrix products move borders between rows and between columns with the
 * number of threads, which no sum crosses.
 *
 * <p>Threads are daemons, started at first use. One without work spins for some 50 microseconds, so that the next
 * kernel of a chain finds it awake (dispatch below a microsecond), and then parks (waking costs some 10). There are as
 * many as the container allows processors, unless {@link #setThreads}, the system property {@code quern.threads} or the
 * environment variable {@code QUERN_THREADS} (in this order) says otherwise.
 *
 * <p>Any thread may call, virtual ones included, and several may at once: the first one gets the workers, and the
 * others run their own tasks meanwhile. For the same reason a task that calls {@code parallelFor} runs the inner tasks
 * itself.
 */
public final class Workers {
    private static final Object CHANGE = new Object();
    private static volatile Pool pool;

    private Workers() {}

    /** Some of the indices of a range, for {@link #ranges}. */
    @FunctionalInterface
    public interface RangeTask {
        /** Handles the indices {@code from} (inclusive) to {@code to} (exclusive). */
        void run(long from, long to);
    }

    /** How many threads take part in a kernel, the calling one included. */
    public static int threads() {
        return pool().workers.length + 1;
    }

    /**
     * Sets how many threads take part in kernels from now on, the calling one included. Work in progress ends on the
     * threads that it has.
     */
    public static void setThreads(int threads) {
        if (threads < 1 || threads > MAX_THREADS) {
            throw new IllegalArgumentException("threads must be 1 to " + MAX_THREADS + ", found " + threads);
        }
        synchronized (CHANGE) {
            Pool old = pool;
            if (old != null && old.workers.length == threads - 1) {
                return;
            }
            pool = new Pool(threads - 1);
            if (old != null) {
                old.close();
            }
        }
    }

    /**
     * Runs {@code body} for each of 0 to {@code tasks - 1}, in no given order, and returns when all have ended. If
     * tasks throw, no new ones are begun, and one of the exceptions is thrown here, with the others as suppressed ones.
     */
    public static void parallelFor(int tasks, IntConsumer body) {
        if (tasks < 0) {
            throw new IllegalArgumentException("number of tasks must not be negative, found " + tasks);
        }
        if (tasks > 1) {
            Pool p = pool();
            if (p.workers.length > 0 && p.busy.compareAndSet(false, true)) {
                p.run(tasks, body);
                return;
            }
        }
        for (int i = 0; i < tasks; i++) {
            body.accept(i);
        }
    }

    /**
     * Runs {@code body} over the indices 0 to {@code size - 1} in pieces of {@code chunk} (the last one may be
     * shorter): {@link #parallelFor} for loops over elements. Choose the chunk so that one takes some 20 microseconds
     * or more.
     */
    public static void ranges(long size, long chunk, RangeTask body) {
        if (size < 0 || chunk < 1) {
            throw new IllegalArgumentException(
                    "size must not be negative and chunk must be positive, found " + size + " and " + chunk);
        }
        long pieces = size / chunk + (size % chunk == 0 ? 0 : 1);
        if (pieces <= 1) {
            if (size > 0) {
                body.run(0, size);
            }
            return;
        }
        parallelFor(Math.toIntExact(pieces), i -> {
            long from = i * chunk;
            body.run(from, Math.min(size, from + chunk));
        });
    }

    private static final int MAX_THREADS = 1024;

    private static Pool pool() {
        Pool p = pool;
        if (p != null) {
            return p;
        }
        synchronized (CHANGE) {
            if (pool == null) {
                pool = new Pool(defaultThreads() - 1);
            }
            return pool;
        }
    }

    private static int defaultThreads() {
        String name = "system property quern.threads";
        String text = System.getProperty("quern.threads");
        if (text == null) {
            name = "environment variable QUERN_THREADS";
            text = System.getenv("QUERN_THREADS");
        }
        return text == null ? Math.min(MAX_THREADS, Runtime.getRuntime().availableProcessors()) : parse(name, text);
    }

    static int parse(String name, String text) {
        try {
            int threads = Integer.parseInt(text.strip());
            if (threads >= 1 && threads <= MAX_THREADS) {
                return threads;
            }
        } catch (NumberFormatException e) {
            // reported below, like a number out of range
        }
        throw new TensorException(name + " must be a number of threads from 1 to " + MAX_THREADS + ", found \"" + text
                + "\"; correct it or leave it out to use every processor");
    }

    /** Threads of one size of the pool. A change of size makes a new pool, so that nothing here ever changes size. */
    private static final class Pool {
        final Worker[] workers;
        final AtomicBoolean busy = new AtomicBoolean();
        final long spinNanos;
        final Job job = new Job();
        volatile boolean closed;

        Pool(int size) {
            workers = new Worker[size];
            // With more threads than processors, spinning only takes time from those that have work.
            spinNanos = size < Runtime.getRuntime().availableProcessors() ? 50_000 : 0;
            for (int i = 0; i < size; i++) {
                workers[i] = new Worker(this);
                workers[i].thread = Thread.ofPlatform()
                        .daemon()
                        .name("quern-worker-" + (i + 1))
                        .inheritInheritableThreadLocals(false)
                        .unstarted(workers[i]);
            }
            for (Worker w : workers) {
                w.thread.start();
            }
        }

        void close() {
            closed = true;
            for (Worker w : workers) {
                LockSupport.unpark(w.thread);
            }
        }

        /** Called by the one thread that holds {@link #busy}. */
        void run(int tasks, IntConsumer body) {
            Throwable failure;
            try {
                job.begin(tasks, body);
                int wanted = Math.min(tasks - 1, workers.length);
                for (int i = 0; i < wanted; i++) {
                    if (workers[i].parked) {
                        LockSupport.unpark(workers[i].thread);
                    }
                }
                job.work();
                job.await(spinNanos);
            } finally {
                failure = job.end();
                busy.set(false);
            }
            rethrow(failure);
        }
    }

    private static final class Worker implements Runnable {
        final Pool pool;
        Thread thread;
        volatile boolean parked;

        Worker(Pool pool) {
            this.pool = pool;
        }

        @Override
        public void run() {
            long idleSince = System.nanoTime();
            while (!pool.closed) {
                if (pool.job.work() > 0) {
                    idleSince = System.nanoTime();
                } else if (System.nanoTime() - idleSince < pool.spinNanos) {
                    Thread.onSpinWait();
                } else {
                    park();
                    idleSince = System.nanoTime();
                }
            }
        }

        private void park() {
            // Announce first, look again second: work published in between is either seen here, or its caller sees
            // the announcement and unparks.
            parked = true;
            if (!pool.closed && pool.job.exhausted()) {
                LockSupport.park(pool);
            }
            parked = false;
        }
    }

    /**
     * The call of {@link #parallelFor} that a pool is at; used again for the next one, since a step of decoding makes a
     * hundred. A worker may be late and look at one call while the next is set up. So {@link #next} holds the number of
     * the call too: a task is taken by a compare-and-set, which succeeds only if the call is still the one whose fields
     * were read before.
     */
    private static final class Job {
        /** Instead of a task's index: no call is going on, and the fields may change. */
        private static final int NONE = Integer.MAX_VALUE;

        private int tasks;
        private IntConsumer body;
        private Thread caller;

        /** Number of the call, and the next task's index in the low half. */
        private final AtomicLong next = new AtomicLong(NONE);

        private final AtomicLong ended = new AtomicLong();
        private final AtomicReference<Throwable> failure = new AtomicReference<>();

        /** Publishes a call. */
        void begin(int count, IntConsumer task) {
            tasks = count;
            body = task;
            caller = Thread.currentThread();
            ended.set(0);
            next.set((next.get() >>> 32) + 1 << 32);
        }

        /** Takes the call back, after its tasks have ended; gives what went wrong in it, or null. */
        Throwable end() {
            next.set(next.get() | NONE);
            body = null;
            caller = null;
            return failure.getAndSet(null);
        }

        boolean exhausted() {
            int index = (int) next.get();
            return index == NONE || index >= tasks;
        }

        /** Runs tasks as long as there are any; gives how many were run or, after a failure, given up. */
        long work() {
            long mine = 0;
            int count = 0;
            Thread waiting = null;
            while (true) {
                long at = next.get();
                int index = (int) at;
                count = tasks;
                waiting = caller;
                IntConsumer task = body;
                if (index >= count || index == NONE) {
                    return mine;
                }
                if (!next.compareAndSet(at, at + 1)) {
                    continue;
                }
                long done = 1;
                try {
                    task.accept(index);
                } catch (Throwable t) {
                    done += fail(t, count);
                }
                mine += done;
                if (ended.addAndGet(done) == count && Thread.currentThread() != waiting) {
                    LockSupport.unpark(waiting);
                }
            }
        }

        /** Records a failure and takes back the tasks not begun yet; returns how many. */
        private long fail(Throwable t, int count) {
            Throwable first = failure.compareAndExchange(null, t);
            if (first != null && first != t) {
                first.addSuppressed(t);
            }
            // This task has not ended, so the call is still the same.
            long at = next.getAndUpdate(n -> (int) n < count ? n & ~0xFFFFFFFFL | count : n);
            return Math.max(0, count - (int) at);
        }

        void await(long spinNanos) {
            int count = tasks;
            if (ended.get() == count) {
                return;
            }
            long start = System.nanoTime();
            while (ended.get() < count) {
                if (System.nanoTime() - start < spinNanos) {
                    Thread.onSpinWait();
                } else if (Thread.currentThread().isInterrupted()) {
                    Thread.yield(); // park would return at once; the interrupt is for the caller's code, not for us
                } else {
                    LockSupport.park(this);
                }
            }
        }
    }

    private static void rethrow(Throwable t) {
        if (t instanceof RuntimeException e) {
            throw e;
        }
        if (t instanceof Error e) {
            throw e;
        }
        if (t != null) {
            throw new TensorException("a kernel task failed: " + t.getMessage(), t); // thrown past the compiler
        }
    }
}
