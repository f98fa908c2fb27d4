package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** mbarriers, copies of boxes and products of warp groups on the emulated device, and what it says of their misuse. */
class EmulatedHopperTest {
    private static final int SIDE = 64;
    private static final int SHARED = 2 * 2 * 8192 + 64;

    @BeforeAll
    static void addTheKernels() throws Exception {
        Emulator.requireBuild();
        CatalogRun.backend();
        Path work = Files.createTempDirectory(EmulatorBuild.TARGET, "hopper");
        Path source = work.resolve("hopper.cu");
        Files.copy(EmulatorBuild.SOURCES.resolve("faulty/hopper.cu"), source);
        for (Path header : EmulatorBuild.files(EmulatorBuild.KERNELS, "cuh")) {
            Files.copy(header, work.resolve(header.getFileName()));
        }
        EmulatedSchedule.replace(EmulatorBuild.replacement(source, work, Emulator.folder()));
    }

    @AfterAll
    static void putBack() {
        if (Emulator.folder() != null) {
            EmulatedSchedule.replace(null);
        }
    }

    @AfterEach
    void asBefore() {
        EmulatedSchedule.set("forward");
    }

    private static float a(int row, int k) {
        return (7 * row + 3 * k + row * k) % 5 - 2;
    }

    private static float b(int k, int col) {
        return (5 * k + 2 * col + k * col) % 7 - 3;
    }

    private static float[] product(int depth) {
        float[] c = new float[SIDE * SIDE];
        for (int i = 0; i < c.length; i++) {
            for (int k = 0; k < depth; k++) {
                c[i] += a(i / SIDE, k) * b(k, i % SIDE);
            }
        }
        return c;
    }

    private static Tensor on(int rows, int columns, boolean turned, boolean isA) {
        float[] x = new float[rows * columns];
        for (int i = 0; i < x.length; i++) {
            int row = turned ? i % rows : i / columns;
            int col = turned ? i / rows : i % columns;
            x[i] = isA ? a(row, col) : b(row, col);
        }
        return Tensor.of(x, rows * columns).cast(DType.BF16).to(CatalogRun.CUDA);
    }

    /** The product of a kernel, or null if it failed. */
    private static float[] run(String kernel, int depth, boolean turned, int threads, long... first) {
        return Scope.run(() -> {
            Tensor x = on(SIDE, depth, turned, true);
            Tensor y = on(depth, SIDE, turned, false);
            Tensor c = Tensor.zeros(CatalogRun.CUDA, DType.F32, Shape.of(SIDE * SIDE));
            c.toFloats();
            long[] all = Arrays.copyOf(first, first.length + 3);
            all[first.length] = x.address();
            all[first.length + 1] = y.address();
            all[first.length + 2] = c.address();
            return EmulatedSchedule.run(kernel, threads, SHARED, all) ? c.toFloats() : null;
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"forward", "backward", "1", "2", "3"})
    void aPipelineGivesTheProductInAllOrders(String order) {
        EmulatedSchedule.set(order);
        for (int turned = 0; turned < 2; turned++) {
            float[] c = run("product", 320, turned == 1, 256, 0, turned, 320);
            assertTrue(c != null, EmulatedSchedule::lastError);
            assertArrayEquals(product(320), c);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {16, 32, 64, 128})
    void descriptorsAreReadInAllLayouts(int swizzle) {
        for (int layout = 0; layout < 4; layout++) {
            float[] c = run("layouts", 16, false, 128, swizzle, layout & 1, layout >> 1);
            assertTrue(c != null, EmulatedSchedule::lastError);
            assertArrayEquals(product(16), c, "swizzle " + swizzle + ", layout " + layout);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1, (race: )?a product of a warp group reads shared memory",
        "2, a product of a warp group without wgmma.fence before it",
        "3, a thread ends that has not waited|it writes shared memory that a product of a warp group may still read",
        "4, it writes shared memory that a product of a warp group may still read",
        "5, 129 threads wait for a phase of an mbarrier",
        "6, it writes shared memory that a product|more threads arrive at an mbarrier than it was made for",
        "7, (race: )?a product of a warp group reads shared memory",
        "8, 129 threads wait for a phase of an mbarrier",
        "9, race: it uses an mbarrier that another thread made|it uses an mbarrier that nobody has made",
        "10, a copy is to arrive at an mbarrier that was not fenced when it was made",
        "11, (race: )?a product of a warp group reads|more threads arrive|129 threads wait for a phase",
        "12, (race: )?a product of a warp group reads shared memory|129 threads wait for a phase of an mbarrier",
        "13, a thread ends that has not waited|it writes shared memory that a product of a warp group may still read",
        "14, race: it writes shared memory that a product of warp ",
        "15, the matrix of a descriptor begins in the middle of the pattern of its swizzle",
        "16, threads of a warp group ask for different products",
        "17, race: a product of a warp group reads shared memory that thread 5 wrote",
        "18, (race: )?a product of a warp group reads shared memory (that|where) ",
    })
    void aFaultIsFoundInAllOrders(int fault, String message) {
        for (String order : new String[] {"forward", "backward", "5", "6"}) {
            EmulatedSchedule.set(order);
            float[] c = run("product", 320, false, 256, fault, 0, 320);
            assertTrue(c == null, "found nothing in order " + order);
            String said = EmulatedSchedule.lastError();
            assertTrue(Pattern.compile(message).matcher(said).lookingAt(), order + ": " + said);
        }
    }
}
