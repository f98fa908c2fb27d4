package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What goes wrong on the device is said, and the device goes on. */
@Tag("gpu")
class CudaErrorTest {
    private static final Device CUDA = new Device("cuda", 0);

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    private static void fails(String part, Runnable body) {
        TensorException e = assertThrows(
                TensorException.class,
                () -> Scope.run(() -> {
                    body.run();
                    return null;
                }));
        assertTrue(e.getMessage().contains(part), e.getMessage());
        assertArrayEquals(
                new float[] {2},
                Scope.run(() -> Tensor.of(new float[] {1}, 1).to(CUDA).scale(2).toFloats()));
    }

    @Test
    void idsOutsideATableAreNamedByTheNextRead() {
        fails(
                "id 9 at position 1 is outside the table, which has the rows 0 to 3",
                () -> Tensor.zeros(CUDA, DType.F32, Shape.of(4, 3))
                        .embedding(Tensor.of(new int[] {0, 9}, 2).to(CUDA))
                        .toFloats());
    }

    @Test
    void targetsThatAreNoClassAreNamed() {
        fails(
                "target 7 of row 0",
                () -> Tensor.zeros(CUDA, DType.F32, Shape.of(1, 3))
                        .crossEntropy(Tensor.of(new int[] {7}, 1).to(CUDA), -100, 0)
                        .toFloats());
    }

    @Test
    void divisionOfIntegersByZeroIsNamed() {
        Tensor zero = Tensor.of(new int[] {0}, 1);
        fails(
                "divides 5 by zero",
                () -> Tensor.of(new int[] {5}, 1).to(CUDA).div(zero.to(CUDA)).toInts());
        zero.close();
    }

    @Test
    void tooLargeTensorsSayWhatIsFreeAndWhoHoldsTheRest() {
        fails(
                "F32 [1048576, 1048576]: out of memory on ",
                () -> Tensor.empty(CUDA, DType.F32, Shape.of(1 << 20, 1 << 20)));
        fails(
                "the result of add, F32 [1048576, 1048576]: out of memory on ",
                () -> Tensor.zeros(CUDA, DType.F32, Shape.of(1 << 20, 1))
                        .add(Tensor.zeros(CUDA, DType.F32, Shape.of(1, 1 << 20))));
        fails(
                "a copy of I32 [1, 2147483647] 'big', I32 [1, 2147483647]: out of memory",
                () -> Tensor.zeros(1, 1)
                        .cast(DType.I32)
                        .expand(Shape.of(1, Integer.MAX_VALUE))
                        .named("big")
                        .to(CUDA));
        fails(
                "Use a smaller batch or context, weights of fewer bits (--dtype bf16), end other programs on the"
                        + " device, or use --device cpu",
                () -> Tensor.empty(CUDA, DType.F32, Shape.of(1 << 20, 1 << 20)));
        fails(" 4194304 MiB were asked for, ", () -> Tensor.empty(CUDA, DType.F32, Shape.of(1 << 20, 1 << 20)));
        fails("tensors hold 4 MiB in 1 buffers", () -> {
            Tensor unused = Tensor.zeros(CUDA, DType.F32, Shape.of(1 << 20));
            Tensor.empty(CUDA, DType.F32, Shape.of(1 << 20, 1 << 20));
        });
    }

    @Test
    void aDeviceThatIsNotThereIsNamed() {
        TensorException e = assertThrows(TensorException.class, () -> new Device("cuda", 99).backend());
        assertTrue(e.getMessage().contains("cuda:99 does not exist"), e.getMessage());
    }

    @Test
    void sizeClassesWasteAnEighthAtMost() {
        for (long n = 1; n < 1L << 40; n = n * 3 / 2 + 1) {
            long size = CudaPool.sizeClass(n);
            assertTrue(size >= n && (size <= 512 || size - n <= n / 8 + 512), n + " becomes " + size);
            assertEquals(size, CudaPool.sizeClass(size));
        }
    }
}
