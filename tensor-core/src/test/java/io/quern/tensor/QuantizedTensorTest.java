package io.quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What quantised tensors can do, and what they refuse by name. */
class QuantizedTensorTest {
    private static final int N = 5;
    private static final int K = 64;

    private static void refused(String part, Executable body) {
        TensorException e = assertThrows(TensorException.class, body);
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    @Test
    void viewsShareBlocks() {
        Scope.run(() -> {
            Tensor w = Tensor.randn(new Rng(1), 1, N, K).cast(DType.Q8_0);
            assertEquals(N * K / 32 * 34, w.buffer().bytes());
            float[] all = w.toFloats();
            Tensor rows = w.narrow(0, 1, 3);
            assertEquals(w.buffer(), rows.buffer());
            assertArrayEquals(java.util.Arrays.copyOfRange(all, K, 4 * K), rows.toFloats());
            assertArrayEquals(
                    rows.cast(DType.F32).transpose(0, 1).toFloats(),
                    rows.transpose(0, 1).toFloats());
            assertArrayEquals(
                    java.util.Arrays.copyOfRange(all, 2 * K, 3 * K),
                    w.select(0, 2).toFloats());
            assertArrayEquals(all, w.reshape(N * K / 32, 32).toFloats());
            assertArrayEquals(all, w.copy().toFloats());
            assertTrue(w.preview(2).startsWith("[" + all[0] + ", " + all[1] + "]"), w.preview(2));
            return null;
        });
    }

    @Test
    void wrapsMemoryAsItLies() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(2 * 34 + 2, 2).asSlice(2, 2 * 34);
            Scope.run(() -> {
                Tensor w = Tensor.randn(new Rng(1), 1, 2, 32).cast(DType.Q8_0);
                w.readInto(memory);
                Tensor mapped = Tensor.wrap(memory.asReadOnly(), DType.Q8_0, Shape.of(2, 32), () -> {});
                Tensor x = Tensor.randn(new Rng(2), 1, 3, 32);
                assertArrayEquals(
                        x.matmul(w.transpose(0, 1)).toFloats(),
                        x.matmul(mapped.transpose(0, 1)).toFloats());
                refused("cannot wrap", () -> Tensor.wrap(memory, DType.Q4_0, Shape.of(2, 32), () -> {}));
                return null;
            });
        }
    }

    @Test
    void shapesAreWholeBlocks() {
        Scope.run(() -> {
            Tensor x = Tensor.zeros(3, 33);
            refused("multiple of 32", () -> x.cast(DType.Q8_0));
            return null;
        });
        refused("multiple of 256", () -> Tensor.empty(Device.CPU, DType.Q6_K, Shape.of(4, 128)));
        refused("whole Q8_0 blocks", () -> DType.Q8_0.bytes(33));
        refused("no size of its own", () -> DType.Q4_K.bytes());
        refused("more bytes", () -> DType.F64.bytes(Shape.of(Integer.MAX_VALUE, Integer.MAX_VALUE)));
    }

    @Test
    void otherOperationsRefuseByName() {
        Scope.run(() -> {
            Tensor w = Tensor.randn(new Rng(1), 1, N, K).cast(DType.Q8_0);
            Tensor x = Tensor.randn(new Rng(1), 1, N, K);
            refused("add: does not take quantised numbers", () -> w.add(w));
            refused("add: does not take quantised numbers", () -> x.add(w));
            refused("softmax: does not take", w::softmax);
            refused("fill: does not take", () -> w.fill(0));
            refused("matmul: does not take", () -> w.matmul(x.transpose(0, 1)));
            refused("must lie along K", () -> x.transpose(0, 1).matmul(w));
            refused("rank 2", () -> x.reshape(1, N, K).matmul(w.reshape(1, N, K).transpose(1, 2)));
            refused("dtypes must agree", () -> x.cast(DType.BF16).matmul(w.transpose(0, 1)));
            refused("dtypes must agree", () -> x.cast(DType.BF16).matmul(x.transpose(0, 1)));
            refused("narrow: ", () -> w.narrow(1, 0, 32));
            refused("expand: ", () -> w.narrow(0, 0, 1).expand(Shape.of(3, K)));
            refused("reshape: ", () -> w.reshape(-1, 16));
            refused("pack: ", () -> w.transpose(0, 1).copy());
            refused("leaves", w::requireGrad);
            return null;
        });
    }

    @Test
    void gradientsFlowPastTheWeightButNotIntoIt() {
        Scope.run(() -> {
            Tensor wide = Tensor.randn(new Rng(1), 1, N, K);
            Tensor x = Tensor.randn(new Rng(2), 1, 3, K).requireGrad();
            for (DType type : new DType[] {DType.Q8_0, DType.BF16}) {
                Tensor w = wide.cast(type);
                Gradients got = Tape.gradients(
                        () -> x.matmul(w.transpose(0, 1)).square().sum());
                Gradients want = Tape.gradients(() ->
                        x.matmul(w.cast(DType.F32).transpose(0, 1)).square().sum());
                assertArrayEquals(want.of(x).toFloats(), got.of(x).toFloats(), 1e-4f);
            }
            Tensor half = wide.cast(DType.BF16).requireGrad();
            Tensor same = half.cast(DType.F32).requireGrad();
            Gradients got =
                    Tape.gradients(() -> x.matmul(half.transpose(0, 1)).square().sum());
            Gradients want =
                    Tape.gradients(() -> x.matmul(same.transpose(0, 1)).square().sum());
            assertEquals(DType.BF16, got.of(half).dtype());
            assertArrayEquals(
                    want.of(same).cast(DType.BF16).toFloats(), got.of(half).toFloats(), 1f);
            return null;
        });
    }
}
