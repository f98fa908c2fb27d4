package io.quern.tensor.check;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;

/**
 * How fast the machine is at this moment, by two pieces of work that no change of a kernel touches: multiply-adds in
 * registers and reading memory. A benchmark that measures them before and after each of its own measurements can tell a
 * machine that others slow down from a kernel that became slower. Both run on all threads at once, for a millisecond and a
 * half.
 */
public final class Yardstick implements AutoCloseable {
    /** Large against all caches but those of servers; the place to read moves on, so that these help little. */
    private static final long BYTES = 256L << 20;

    private static final int COMPUTE_PIECES = 40;
    private static final int CHAIN = 20_000;
    private static final int MEMORY_PIECES = 24;
    private static final int WARM_UP = 40;

    /**
     * What the pieces took.
     *
     * @param compute seconds for {@value #CHAIN} rounds of twelve multiply-adds of vectors
     * @param memory seconds for reading a mebibyte
     */
    public record Pace(double compute, double memory) {
        /** Between two moments: the geometric means. */
        public Pace between(Pace other) {
            return new Pace(Math.sqrt(compute * other.compute), Math.sqrt(memory * other.memory));
        }
    }

    private final int threads;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final long pieces;
    private final ExecutorService pool;
    private final long[] next;

    /** Takes memory and threads, and lets the compiler see both loops. */
    public Yardstick(int threads) {
        if (!available()) {
            throw new IllegalStateException(
                    "the Vector API is absent: start java with --add-modules jdk.incubator.vector");
        }
        this.threads = threads;
        memory = arena.allocate(BYTES, 64);
        memory.fill((byte) 1);
        pieces = BYTES / threads / Roofs.Vectors.PIECE;
        pool = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().daemon().name("yardstick-", 0).factory());
        next = new long[threads];
        for (int i = 0; i < WARM_UP; i++) {
            pace();
        }
    }

    /** Whether this Java has the Vector API. */
    public static boolean available() {
        return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    }

    /** Measures now. */
    public Pace pace() {
        double compute = together(COMPUTE_PIECES, t -> Roofs.Vectors.chains(CHAIN));
        double reading = together(MEMORY_PIECES, t -> {
            long at = (t * pieces + next[t]) * Roofs.Vectors.PIECE;
            next[t] = (next[t] + 1) % pieces;
            Roofs.Vectors.piece(memory, at, at + Roofs.Vectors.PIECE);
        });
        return new Pace(compute, reading);
    }

    /** Seconds of one piece: the lower quartile of each thread's, their mean. */
    private double together(int times, IntConsumer piece) {
        List<Future<Double>> all = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            int thread = t;
            all.add(pool.submit(() -> {
                double[] took = new double[times];
                for (int i = 0; i < times; i++) {
                    long before = System.nanoTime();
                    piece.accept(thread);
                    took[i] = (System.nanoTime() - before) / 1e9;
                }
                Arrays.sort(took);
                return took[times / 4];
            }));
        }
        double sum = 0;
        try {
            for (Future<Double> f : all) {
                sum += f.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while measuring", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("the yardstick failed", e.getCause());
        }
        return sum / threads;
    }

    @Override
    public void close() {
        pool.shutdownNow();
        pool.close();
        arena.close();
    }
}
