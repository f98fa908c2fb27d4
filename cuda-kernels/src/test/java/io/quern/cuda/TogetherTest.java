package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Casts, copies and sums go together where they are independent, and one after another where they are not. */
@Tag("gpu")
class TogetherTest {
    private static final Device CUDA = new Device("cuda", 0);

    private final List<String> launches = new ArrayList<>();

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    /** With blocks that are used again, which is where a launch that was put off could meet another's memory. */
    @BeforeEach
    void usesBlocksAgain() {
        CatalogRun.backend().pool().setCaching(true);
    }

    @AfterEach
    void asBefore() {
        EmulatedSchedule.set("forward");
        CatalogRun.backend().card().watch(null);
        CatalogRun.backend().trim();
        CatalogRun.backend().pool().setCaching("on".equals(System.getProperty("quern.cuda.pool", "on")));
    }

    private static Tensor numbers(Device device, int n, long stream) {
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = Rng.bits(5, stream, i) * 0x1p-31f;
        }
        return Tensor.of(x, n).to(device);
    }

    private List<String> launches(Runnable body) {
        launches.clear();
        CatalogRun.backend().synchronize();
        CatalogRun.backend().card().watch(s -> {
            if (!s.startsWith("<")) {
                launches.add(s);
            }
        });
        body.run();
        CatalogRun.backend().synchronize();
        CatalogRun.backend().card().watch(null);
        return List.copyOf(launches);
    }

    @Test
    void independentCastsAreOneLaunch() {
        Scope.run(() -> {
            List<Tensor> xs = new ArrayList<>();
            List<Tensor> ys = new ArrayList<>();
            int[] lengths = {1, 4096, 0, 4097, 7, 9000, 16};
            for (int i = 0; i < lengths.length; i++) {
                xs.add(numbers(CUDA, lengths[i], i));
            }
            xs.add(numbers(CUDA, 100, 99).narrow(0, 3, 97)); // not on 16 bytes
            assertEquals(List.of("cast_many_f32_bf16"), launches(() -> xs.forEach(x -> ys.add(x.cast(DType.BF16)))));
            for (int i = 0; i < xs.size(); i++) {
                assertArrayEquals(
                        xs.get(i).to(Device.CPU).cast(DType.BF16).toFloats(),
                        ys.get(i).toFloats(),
                        "cast " + i);
            }
            return null;
        });
    }

    /** All casts between floating dtypes, with numbers that are hard to round. */
    @Test
    void castsRoundOnce() {
        double[] hard = new double[3000];
        for (int i = 0; i < hard.length; i++) {
            hard[i] = Double.longBitsToDouble(
                    (long) Rng.bits(3, 1, i) << 32 & 0x8FFFFFFF00000000L | 0x3E00000000000000L | Rng.bits(3, 2, i));
        }
        hard[0] = Double.NaN;
        hard[1] = Double.POSITIVE_INFINITY;
        hard[2] = 1e-42;
        hard[3] = -0.0;
        hard[4] = 1 + 0x1p-8 + 0x1p-30;
        hard[5] = 65520;
        Scope.run(() -> {
            Tensor wide = Tensor.of(hard, hard.length);
            List<DType> floats = List.of(DType.F32, DType.F64, DType.BF16, DType.F16);
            for (DType from : floats) {
                for (DType to : floats) {
                    Tensor x = wide.cast(from);
                    assertArrayEquals(
                            x.cast(to).toDoubles(), x.to(CUDA).cast(to).toDoubles(), from + " to " + to);
                }
            }
            return null;
        });
    }

    @Test
    void whatDependsOnAnotherComesAfterIt() {
        Scope.run(() -> {
            Tensor a = numbers(CUDA, 100, 1);
            Tensor b = numbers(CUDA, 100, 2);
            Tensor c = numbers(CUDA, 100, 3);
            List<String> one = List.of("accumulate_many_f32");
            List<String> two = List.of("accumulate_many_f32", "accumulate_many_f32");
            assertEquals(one, launches(() -> {
                a.accumulate(c, 1);
                b.accumulate(c, 2);
            }));
            assertEquals(two, launches(() -> {
                a.accumulate(b, 1); // writes what the next reads
                c.accumulate(a, 1);
            }));
            assertEquals(two, launches(() -> {
                a.accumulate(b, 1); // reads what the next writes
                b.accumulate(c, 1);
            }));
            assertEquals(two, launches(() -> {
                a.accumulate(b, 1); // writes what the next writes
                a.accumulate(c, 1);
            }));
            assertEquals(one, launches(() -> {
                a.narrow(0, 0, 50).accumulate(b.narrow(0, 0, 50), 1);
                a.narrow(0, 50, 50).accumulate(b.narrow(0, 50, 50), 1);
            }));
            return null;
        });
    }

    @Test
    void theSlicesOfAConcatAreOneLaunch() {
        Scope.run(() -> {
            for (int c : new int[] {8, 5, 1}) {
                Tensor[] parts = new Tensor[3];
                Tensor[] host = new Tensor[3];
                for (int i = 0; i < 3; i++) {
                    parts[i] = numbers(CUDA, 6 * 7 * c * (i + 1), i).reshape(6, 7, i + 1, c);
                    host[i] = parts[i].to(Device.CPU);
                }
                Tensor[] y = new Tensor[1];
                assertEquals(List.of("copy_many_b4"), launches(() -> y[0] = Tensor.concat(2, parts)));
                assertArrayEquals(Tensor.concat(2, host).toFloats(), y[0].toFloats());
                assertEquals(List.of("copy_many_b4"), launches(() -> y[0] = Tensor.concat(0, parts[0], parts[0])));
                assertArrayEquals(Tensor.concat(0, host[0], host[0]).toFloats(), y[0].toFloats());
            }
            return null;
        });
    }

    /** Random copies, casts and sums over views of a few buffers give the bits of the CPU, with and without graphs. */
    @ParameterizedTest
    @ValueSource(strings = {"forward", "7"})
    void anyOrderGivesTheBitsOfTheCpu(String order) {
        EmulatedSchedule.set(order);
        for (int seed = 0; seed < 6; seed++) {
            long s = seed;
            CatalogRun.backend().card().useGraphs(seed % 2 == 0);
            List<float[]> want = Scope.run(() -> program(Device.CPU, s));
            List<float[]> got = Scope.run(() -> program(CUDA, s));
            for (int i = 0; i < want.size(); i++) {
                assertArrayEquals(want.get(i), got.get(i), "seed " + seed + ", buffer " + i);
            }
        }
        CatalogRun.backend().card().useGraphs(true);
    }

    private static List<float[]> program(Device device, long seed) {
        Random random = new Random(seed);
        List<Tensor> buffers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            buffers.add(numbers(device, 6000, i).reshape(60, 100));
        }
        for (int i = 0; i < 150; i++) {
            int rows = 1 + random.nextInt(20);
            int columns = random.nextBoolean() ? 100 : 1 + random.nextInt(50);
            int from = random.nextInt(4);
            int to = (from + 1 + random.nextInt(3)) % 4;
            Tensor source = part(buffers.get(from), rows, columns, random);
            Tensor target = part(buffers.get(to), rows, columns, random);
            switch (random.nextInt(4)) {
                case 0 -> target.assign(source);
                case 1 -> target.accumulate(source, 0.5);
                case 2 ->
                    Scope.run(() -> {
                        target.assign(source.cast(DType.BF16).cast(DType.F32));
                        return null;
                    });
                default ->
                    Scope.run(() -> {
                        target.assign(Tensor.concat(0, source, source)
                                .narrow(0, rows / 2, rows)
                                .scale(0.5));
                        return null;
                    });
            }
        }
        return buffers.stream().map(Tensor::toFloats).toList();
    }

    private static Tensor part(Tensor x, int rows, int columns, Random random) {
        return x.narrow(0, random.nextInt(60 - rows + 1), rows)
                .narrow(1, columns == 100 ? 0 : random.nextInt(50), columns);
    }

    @Test
    void aRepeatedRowIsCopied() {
        Scope.run(() -> {
            Tensor row = numbers(CUDA, 12, 1);
            Tensor y = row.reshape(1, 12).expand(Shape.of(5, 12)).copy();
            assertArrayEquals(row.toFloats(), y.select(0, 4).toFloats());
            Tensor column = row.reshape(12, 1).expand(Shape.of(12, 3)).copy();
            assertArrayEquals(row.toFloats(), column.select(1, 2).toFloats());
            return null;
        });
    }
}
