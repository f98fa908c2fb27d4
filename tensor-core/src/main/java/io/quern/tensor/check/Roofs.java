package io.quern.tensor.check;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.concurrent.CountDownLatch;
import java.util.function.LongToDoubleFunction;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The limits of this machine's CPU as measured, between which the roofline model places a kernel. Source: Williams,
 * Waterman and Patterson, "Roofline: an insightful visual performance model" (2009).
 *
 * @param threads that worked at the same time
 * @param gflops of fused multiply-adds on F32 vectors in registers, counted as two operations
 * @param readGbs of reading memory that no cache holds, GB/s
 * @param copyGbs of copying it: bytes read plus bytes written
 */
public record Roofs(int threads, double gflops, double readGbs, double copyGbs) {
    /** Large against all caches but those of servers, which share theirs with other machines' guests. */
    private static final long BYTES = 256L << 20;

    private static final int ROUNDS = 12;

    /** Measures for less than a second; the best of some rounds, since others' work can only slow a round down. */
    public static Roofs measure(int threads) {
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            throw new IllegalStateException(
                    "the Vector API is absent: start java with --add-modules jdk.incubator.vector");
        }
        double flops = best(threads, t -> Vectors.multiplyAdds(1000) / 1e9);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(BYTES, 64);
            memory.fill((byte) 1);
            long part = BYTES / threads / 4096 * 4096;
            double read = best(threads, t -> Vectors.read(memory.asSlice(t * part, part)) / 1e9);
            long half = part / 2;
            double copy = best(threads, t -> {
                memory.asSlice(t * part, half).copyFrom(memory.asSlice(t * part + half, half));
                return 2 * half / 1e9;
            });
            return new Roofs(threads, flops, read, copy);
        }
    }

    /** The most that a kernel with so many operations a byte can reach, GFLOP/s. */
    public double attainable(double flopsPerByte) {
        return Math.min(gflops, flopsPerByte * readGbs);
    }

    /** The best sum of what the threads do a second, of some rounds; the first ones warm up. */
    private static double best(int threads, LongToDoubleFunction work) {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            double[] done = new double[threads];
            CountDownLatch start = new CountDownLatch(1);
            Thread[] all = IntStream.range(0, threads)
                    .mapToObj(t -> Thread.ofPlatform().daemon().start(() -> {
                        try {
                            start.await();
                            done[t] = work.applyAsDouble(t);
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        }
                    }))
                    .toArray(Thread[]::new);
            long before = System.nanoTime();
            start.countDown();
            try {
                for (Thread t : all) {
                    t.join();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while measuring", e);
            }
            double seconds = (System.nanoTime() - before) / 1e9;
            best = Math.max(
                    best, IntStream.range(0, threads).mapToDouble(t -> done[t]).sum() / seconds);
        }
        return best;
    }

    /**
     * Apart, so that the outer class loads without the Vector API. The loops are written out until they are longer than what
     * the JIT inlines at all: compiled into a caller, which happens whenever the compiler comes to think so, they took up to
     * two and a half times as long, as accumulators then lie in memory.
     */
    static final class Vectors {
        private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
        private static final int L = S.length();

        private static final int CHAIN = 10_000;

        /** Bytes of a call, few enough that the compiled method is entered and not the loop replaced. */
        static final long PIECE = 1 << 20;

        private static volatile float sink;

        private Vectors() {}

        /** Twelve chains, more than latency times units. Returns the operations done. */
        static double multiplyAdds(int times) {
            for (int i = 0; i < times; i++) {
                chains(CHAIN);
            }
            return 12.0 * 2 * L * CHAIN * times;
        }

        /** An even number of rounds. */
        static void chains(int rounds) {
            FloatVector x = FloatVector.broadcast(S, 0.999f);
            FloatVector y = FloatVector.broadcast(S, 0.001f);
            FloatVector a = x;
            FloatVector b = y;
            FloatVector c = x;
            FloatVector d = y;
            FloatVector e = x;
            FloatVector f = y;
            FloatVector g = x;
            FloatVector h = y;
            FloatVector i = x;
            FloatVector j = y;
            FloatVector k = x;
            FloatVector l = y;
            for (int r = 0; r < rounds; r += 2) {
                a = a.fma(x, y);
                b = b.fma(x, y);
                c = c.fma(x, y);
                d = d.fma(x, y);
                e = e.fma(x, y);
                f = f.fma(x, y);
                g = g.fma(x, y);
                h = h.fma(x, y);
                i = i.fma(x, y);
                j = j.fma(x, y);
                k = k.fma(x, y);
                l = l.fma(x, y);
                a = a.fma(x, y);
                b = b.fma(x, y);
                c = c.fma(x, y);
                d = d.fma(x, y);
                e = e.fma(x, y);
                f = f.fma(x, y);
                g = g.fma(x, y);
                h = h.fma(x, y);
                i = i.fma(x, y);
                j = j.fma(x, y);
                k = k.fma(x, y);
                l = l.fma(x, y);
            }
            sink = a.add(b)
                    .add(c)
                    .add(d)
                    .add(e)
                    .add(f)
                    .add(g)
                    .add(h)
                    .add(i)
                    .add(j)
                    .add(k)
                    .add(l)
                    .lane(0);
        }

        /** Returns the bytes read. */
        static double read(MemorySegment memory) {
            for (long at = 0; at < memory.byteSize(); at += PIECE) {
                piece(memory, at, Math.min(at + PIECE, memory.byteSize()));
            }
            return memory.byteSize();
        }

        static void piece(MemorySegment memory, long from, long to) {
            FloatVector a = FloatVector.zero(S);
            FloatVector b = a;
            FloatVector c = a;
            FloatVector d = a;
            long step = 4L * L;
            for (long at = from; at <= to - 16 * step; at += 16 * step) {
                a = a.add(FloatVector.fromMemorySegment(S, memory, at, ByteOrder.nativeOrder()));
                b = b.add(FloatVector.fromMemorySegment(S, memory, at + step, ByteOrder.nativeOrder()));
                c = c.add(FloatVector.fromMemorySegment(S, memory, at + 2 * step, ByteOrder.nativeOrder()));
                d = d.add(FloatVector.fromMemorySegment(S, memory, at + 3 * step, ByteOrder.nativeOrder()));
                a = a.add(FloatVector.fromMemorySegment(S, memory, at + 4 * step, ByteOrder.nativeOrder()));
                b = b.add(FloatVector.fromMemorySegment(S, memory, at + 5 * step, ByteOrder.nativeOrder()));
                c = c.add(FloatVector.fromMemorySegment(S, memory, at + 6 * step, ByteOrder.nativeOrder()));
                d = d.add(FloatVector.fromMemorySegment(S, memory, at + 7 * step, ByteOrder.nativeOrder()));
                a = a.add(FloatVector.fromMemorySegment(S, memory, at + 8 * step, ByteOrder.nativeOrder()));
                b = b.add(FloatVector.fromMemorySegment(S, memory, at + 9 * step, ByteOrder.nativeOrder()));
                c = c.add(FloatVector.fromMemorySegment(S, memory, at + 10 * step, ByteOrder.nativeOrder()));
                d = d.add(FloatVector.fromMemorySegment(S, memory, at + 11 * step, ByteOrder.nativeOrder()));
                a = a.add(FloatVector.fromMemorySegment(S, memory, at + 12 * step, ByteOrder.nativeOrder()));
                b = b.add(FloatVector.fromMemorySegment(S, memory, at + 13 * step, ByteOrder.nativeOrder()));
                c = c.add(FloatVector.fromMemorySegment(S, memory, at + 14 * step, ByteOrder.nativeOrder()));
                d = d.add(FloatVector.fromMemorySegment(S, memory, at + 15 * step, ByteOrder.nativeOrder()));
            }
            sink = a.add(b).add(c).add(d).lane(0);
        }
    }
}
