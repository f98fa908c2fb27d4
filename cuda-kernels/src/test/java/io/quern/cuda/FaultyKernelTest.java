package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What kernels must not do is an error on the emulated device; on a card much of it would pass unseen. */
class FaultyKernelTest {
    @BeforeAll
    static void replaceAKernel() throws Exception {
        Emulator.requireBuild();
        CatalogRun.backend();
        Path work = Files.createTempDirectory(EmulatorBuild.TARGET, "faulty");
        Path source = work.resolve("faulty.cu");
        Files.copy(EmulatorBuild.SOURCES.resolve("faulty/faulty.cu"), source);
        Files.copy(EmulatorBuild.KERNELS.resolve("common.cuh"), work.resolve("common.cuh"));
        EmulatedSchedule.replace(EmulatorBuild.replacement(source, work, Emulator.folder()));
        EmulatedSchedule.forgive(true);
    }

    @AfterAll
    static void putBack() {
        if (Emulator.folder() != null) {
            EmulatedSchedule.replace(null);
            EmulatedSchedule.forgive(false);
            assertArrayEquals(new int[] {1, 1}, Scope.run(() -> filled(2, 1).toInts()));
        }
    }

    private static Tensor filled(int n, int value) {
        return Tensor.full(CatalogRun.CUDA, DType.I32, Shape.of(n), value);
    }

    @ParameterizedTest
    @CsvSource({
        "1, touches byte 256 of an allocation of 256",
        "2, touches byte -4 of an allocation of 256",
        "3, an access of 4 bytes is not aligned",
        "4, touches no device memory",
        "5, race: it writes shared memory that thread",
        "6, it reads shared memory that no thread of the block has written",
        "7, race: it reads shared memory that thread",
        "8, 32 threads wait at a barrier that 224 others never reach",
        "9, lanes of a warp wait for others that never come",
        "10, threads wait at different barriers",
        "11, it reads shared memory before the copy that goes there has landed",
    })
    void isFound(int fault, String message) {
        TensorException e = assertThrows(
                TensorException.class, () -> Scope.run(() -> filled(64, fault).toInts()));
        assertTrue(e.getMessage().contains("fill_b4"), e.getMessage());
        assertEquals(message, EmulatedSchedule.lastError().substring(0, message.length()));
    }

    @Test
    void aLostDeviceSaysSoFromThenOnAndHostDataIsIntact() {
        long buffers = CatalogRun.backend().memory().buffers();
        EmulatedSchedule.forgive(false);
        try (Tensor host = Tensor.of(new float[] {1, 2, 3}, 3)) {
            String first = assertThrows(
                            TensorException.class,
                            () -> Scope.run(() -> {
                                host.to(CatalogRun.CUDA);
                                return filled(64, 1).toInts();
                            }))
                    .getMessage();
            assertTrue(first.contains("kernel fill_b4 on "), first);
            assertTrue(first.contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), first);
            assertTrue(first.endsWith("in this process; tensors on the CPU are intact"), first);
            for (int i = 0; i < 2; i++) {
                String later = assertThrows(
                                TensorException.class,
                                () -> Scope.run(() -> host.to(CatalogRun.CUDA).toFloats()))
                        .getMessage();
                assertTrue(
                        later.contains(
                                "device emulated device cannot be used any more in this process: kernel fill_b4 on "),
                        later);
            }
            assertEquals(buffers, CatalogRun.backend().memory().buffers());
            assertArrayEquals(
                    new float[] {2, 4, 6}, Scope.run(() -> host.scale(2).toFloats()));
        } finally {
            EmulatedSchedule.forgive(true);
        }
    }
}
