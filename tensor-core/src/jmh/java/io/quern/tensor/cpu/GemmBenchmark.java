package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
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
 * Matrix products in the shapes of GPT-2: {@code mvn -q -Pjmh -pl tensor-core -am -DskipTests
 * integration-test -Djmh="GemmBenchmark"}.
 * The counter {@code gflop} is GFLOP/s. Compare with torch.mm on the same machine in the same minutes only.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 2,
        jvmArgsAppend = {"--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class GemmBenchmark {
    /** m x k x n, the layouts of A and B (N plain, T transposed) and the type of B. */
    @Param({
        "1024x1024x1024 NN F32",
        "512x768x2304 NN F32",
        "512x768x3072 NT F32",
        "512x3072x768 NN F32",
        "768x512x3072 TN F32",
        "512x768x50257 NT F32",
        "512x768x3072 NT BF16"
    })
    public String shape;

    @Param({"1", "2"})
    public int threads;

    /** What {@link Gemm} chooses, or multiply-adds in machine code, to compare tiles of AMX with. */
    @Param({"chosen", "multiply-adds"})
    public String kernel;

    private Arena arena;
    private GemmCall call;
    private Consumer<GemmCall> product;

    /** Operations of the measured calls, which JMH turns into a rate. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Rate {
        public double gflop;
    }

    @Setup
    public void setUp() {
        Workers.setThreads(threads);
        arena = Arena.ofShared();
        call = Shapes.call(arena, shape);
        product = kernel.equals("chosen") ? Gemm::run : GemmMachine::run;
    }

    @TearDown
    public void tearDown() {
        arena.close();
    }

    @Benchmark
    public void product(Rate rate) {
        product.accept(call);
        rate.gflop += 2e-9 * call.products();
    }

    /** Reads the shapes of benchmarks and allocates operands of random numbers. */
    static final class Shapes {
        private Shapes() {}

        static GemmCall call(Arena arena, String text) {
            String[] parts = text.split(" ");
            String[] sizes = parts[0].split("x");
            int m = Integer.parseInt(sizes[0]);
            int k = Integer.parseInt(sizes[1]);
            int n = Integer.parseInt(sizes[2]);
            DType type = DType.valueOf(parts[2]);
            boolean at = parts[1].charAt(0) == 'T';
            boolean bt = parts[1].charAt(1) == 'T';
            long a = random(arena, (long) m * k, DType.F32);
            long b = random(arena, (long) k * n, type);
            long c = arena.allocate(4L * m * n, 64).address();
            return new GemmCall(m, n, k, a, at ? 1 : k, at ? m : 1, type, b, bt ? 1 : n, bt ? k : 1, c, n, 0, false);
        }

        static long random(Arena arena, long count, DType type) {
            long at = arena.allocate(type.bytes(count), 64).address();
            SplittableRandom random = new SplittableRandom(count);
            if (type.isQuantized()) {
                for (long i = 0; i < type.bytes(count); i += 2) {
                    // also right as scales in binary16: small and finite
                    OffHeap.setShort(at + i, (short) random.nextInt(0x2000, 0x2400));
                }
                return at;
            }
            for (long i = 0; i < count; i++) {
                float v = random.nextFloat() - 0.5f;
                switch (type) {
                    case BF16 -> OffHeap.setShort(at + 2 * i, (short) (Float.floatToRawIntBits(v) >>> 16));
                    case F16 -> OffHeap.setShort(at + 2 * i, Float.floatToFloat16(v));
                    default -> OffHeap.setFloat(at + 4 * i, v);
                }
            }
            return at;
        }
    }
}
