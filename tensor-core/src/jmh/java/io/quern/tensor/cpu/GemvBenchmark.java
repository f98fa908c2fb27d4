package io.quern.tensor.cpu;

import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Products with one row and with four (beams), over copies of the weights that no cache holds:
 * {@code mvn -q -Pjmh -pl tensor-core -am -DskipTests integration-test -Djmh="GemvBenchmark"}. The counter {@code
 * gigabytes} is GB/s of weights read, to compare with what the memory gives.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 2,
        jvmArgsAppend = {"--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class GemvBenchmark {
    private static final long BYTES = 256 << 20;

    /** Bytes that a task of {@link #read} takes. */
    private static final int STREAMS = 1 << 19;

    private final float[] sums = new float[256];

    /** m x k x n, the layout of W ([k, n]: NN, [n, k]: NT) and its type. */
    @Param({
        "1x768x768 NN F32",
        "1x768x2304 NN F32",
        "1x768x3072 NT F32",
        "1x3072x768 NN F32",
        "1x768x50257 NT F32",
        "4x768x3072 NN F32",
        "4x768x50257 NT F32",
        "1x768x2304 NN BF16",
        "1x768x50257 NT BF16",
        "4x768x50257 NT BF16",
        "1x768x50257 NT F16",
        "1x768x3072 NT Q8_0",
        "4x768x3072 NT Q8_0",
        "1x768x3072 NT Q4_0",
        "4x768x3072 NT Q4_0",
        "1x768x3072 NT Q4_K",
        "1x768x3072 NT Q6_K"
    })
    public String shape;

    @Param({"1", "2"})
    public int threads;

    private Arena arena;
    private GemmCall[] calls;
    private int next;

    /** Bytes of the measured calls, which JMH turns into a rate. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Rate {
        public double gigabytes;
    }

    @Setup
    public void setUp() {
        Workers.setThreads(threads);
        arena = Arena.ofShared();
        GemmCall first = GemmBenchmark.Shapes.call(arena, shape);
        long bytes = first.type().bytes((long) first.k() * first.n());
        calls = new GemmCall[(int) Math.max(2, BYTES / bytes)];
        calls[0] = first;
        for (int i = 1; i < calls.length; i++) {
            calls[i] = GemmBenchmark.Shapes.call(arena, shape);
        }
    }

    @TearDown
    public void tearDown() {
        arena.close();
    }

    @Benchmark
    public void product(Rate rate) {
        GemmCall g = calls[next];
        next = (next + 1) % calls.length;
        Gemm.weights(
                g.type(), g.m(), g.n(), g.k(), g.a(), g.aRow(), g.aCol(), g.b(), g.bRow(), g.bCol(), g.c(), g.ldc(), 0,
                false);
        rate.gigabytes += 1e-9 * g.type().bytes((long) g.k() * g.n());
    }

    /** Reading the weights and nothing else: what the memory gives. The same for each type. */
    @Benchmark
    public float read(Rate rate) {
        GemmCall g = calls[next];
        next = (next + 1) % calls.length;
        long bytes = g.type().bytes((long) g.k() * g.n()) / STREAMS * STREAMS;
        Workers.ranges(
                bytes,
                STREAMS,
                (from, to) -> sums[(int) (from / STREAMS % sums.length)] = sum(g.b() + from, to - from));
        rate.gigabytes += 1e-9 * bytes;
        return sums[0];
    }

    /** Four streams; the addition keeps the loads from being left out. */
    private static float sum(long at, long bytes) {
        int quarter = (int) (bytes / 4);
        FloatVector a = Lanes.broadcast(0);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        for (int i = 0; i < quarter; i += 4 * Lanes.L) {
            a = a.add(Lanes.load(at + i));
            b = b.add(Lanes.load(at + quarter + i));
            c = c.add(Lanes.load(at + 2L * quarter + i));
            d = d.add(Lanes.load(at + 3L * quarter + i));
        }
        return Lanes.sum(a.add(b).add(c.add(d)));
    }
}
