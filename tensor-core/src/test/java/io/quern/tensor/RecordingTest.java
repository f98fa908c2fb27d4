package io.quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.op.Attention;
import io.quern.tensor.testing.LeakCheck;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class RecordingTest {
    private static float[] some(int n, long seed) {
        Rng rng = new Rng(seed);
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = rng.nextFloat() - 0.5f;
        }
        return x;
    }

    private static Tensor kept(Supplier<Tensor> maker) {
        return Scope.tidy(() -> maker.get().keep());
    }

    /** Norm, product with bias, activation: what prepared kernels are for. */
    private static Tensor layer(Tensor x, Tensor gain, Tensor weight, Tensor bias) {
        return x.layerNorm(gain, bias, 1e-5).matmul(weight, bias).gelu().add(x);
    }

    @Test
    void replayComputesWhatTheOperationsComputeOnNewContents() {
        try (Tensor x = kept(() -> Tensor.of(some(24, 1), 2, 12));
                Tensor gain = kept(() -> Tensor.of(some(12, 2), 12));
                Tensor weight = kept(() -> Tensor.of(some(144, 3), 12, 12));
                Tensor bias = kept(() -> Tensor.of(some(12, 4), 12));
                Recording r = Recording.of(() -> List.of(layer(x, gain, weight, bias)))) {
            assertTrue(r.obstacle().isEmpty());
            Tensor result = r.results().getFirst();
            float[] first = result.toFloats();
            for (int step = 1; step < 4; step++) {
                x.writeFrom(MemorySegment.ofArray(some(24, 10 + step)));
                r.replay(step);
                float[] expected = Scope.run(() -> layer(x, gain, weight, bias).toFloats());
                assertArrayEquals(expected, result.toFloats());
            }
            x.writeFrom(MemorySegment.ofArray(some(24, 1)));
            r.replay(0);
            assertArrayEquals(first, result.toFloats());
        }
    }

    /** A cache [1, 9, heads, 8] of keys that are the values too; a step writes one and attends to all so far. */
    private static Tensor attend(Tensor cache, Tensor x, int position) {
        Recording.sliding(cache.narrow(1, position, 1), 1).assign(x);
        Tensor sofar = Recording.growing(cache.narrow(1, 0, position + 1), 1);
        return Tensor.runAll(new Attention.Forward(x, sofar, sofar, null, null, Attention.Options.causal(0.5)))
                .getFirst();
    }

    @Test
    void slidingAndGrowingViewsFollowTheSteps() {
        for (int heads : new int[] {1, 2}) {
            int n = 8 * heads;
            try (Tensor cache = kept(() -> Tensor.zeros(1, 9, heads, 8));
                    Tensor same = kept(() -> Tensor.zeros(1, 9, heads, 8));
                    Tensor x = kept(() -> Tensor.of(some(n, 1), 1, 1, heads, 8))) {
                Scope.run(() -> attend(same, x, 0).toFloats());
                try (Recording r = Recording.of(() -> List.of(attend(cache, x, 0)))) {
                    assertTrue(r.obstacle().isEmpty());
                    for (int step = 1; step < 9; step++) {
                        x.writeFrom(MemorySegment.ofArray(some(n, 1 + step)));
                        r.replay(step);
                        int at = step;
                        float[] expected = Scope.run(() -> attend(same, x, at).toFloats());
                        assertArrayEquals(expected, r.results().getFirst().toFloats(), "step " + step);
                    }
                    assertArrayEquals(same.toFloats(), cache.toFloats());
                    TensorException e = assertThrows(TensorException.class, () -> r.replay(9));
                    assertTrue(e.getMessage().contains("buffer ends before"), e.getMessage());
                }
            }
        }
    }

    @Test
    void replayIsWatchedLikeTheOperationsThemselves() {
        List<String> seen = new ArrayList<>();
        try (Tensor x = kept(() -> Tensor.of(some(3, 1), 3));
                Recording r = Recording.of(() -> List.of(x.add(x).relu()))) {
            OpTrace.watch((op, in, out) -> seen.add(op.name() + out[0].shape()), () -> {
                r.replay(1);
                return null;
            });
        }
        assertEquals(List.of("add[3]", "relu[3]"), seen);
    }

    private static void assertObstacle(String part, Supplier<List<Tensor>> body) {
        try (Recording r = Recording.of(body)) {
            String obstacle = r.obstacle().orElse("none");
            assertTrue(obstacle.contains(part), obstacle);
            assertThrows(IllegalStateException.class, () -> r.replay(1));
        }
    }

    @Test
    void whatAReplayWouldNotRepeatIsAnObstacle() {
        try (Tensor x = kept(() -> Tensor.of(some(6, 1), 6));
                Tensor table = kept(() -> Tensor.of(some(8, 1), 8))) {
            assertObstacle("to the host", () -> List.of(x.scale(x.sum().item())));
            assertObstacle("from the host", () -> List.of(x.add(Tensor.of(some(6, 2), 6))));
            assertObstacle("random", () -> List.of(x.dropout(0.5, 1, 2)));
            assertObstacle(
                    "view",
                    () -> List.of(Recording.sliding(table.narrow(0, 0, 2), 0)
                            .reshape(2, 1)
                            .relu()));
            assertObstacle(
                    "follows a growing operand",
                    () -> List.of(Recording.growing(table.narrow(0, 0, 2), 0).relu()));
            assertObstacle(
                    "no later step",
                    () -> List.of(Recording.growing(table.narrow(0, 0, 8), 0).sum()));
            // while a result that does not grow is none
            try (Recording r = Recording.of(
                    () -> List.of(Recording.growing(table.narrow(0, 0, 2), 0).sum()))) {
                r.replay(3);
                assertEquals(
                        Scope.run(() -> table.narrow(0, 0, 5).sum().item()),
                        r.results().getFirst().item());
            }
        }
    }

    @Test
    void memoryIsHeldUntilTheRecordingCloses() {
        Tensor x = kept(() -> Tensor.of(some(4, 1), 4));
        Recording r = Recording.of(() -> List.of(x.relu()));
        x.close();
        r.replay(1);
        Tensor result = r.results().getFirst();
        assertEquals(4, result.toFloats().length);
        r.close();
        r.close();
        assertFalse(x.isAlive());
        assertFalse(result.isAlive());
        assertThrows(IllegalStateException.class, () -> r.replay(1));
    }

    @Test
    void aBodyThatFailsLeavesNothing() {
        try (Tensor x = kept(() -> Tensor.of(some(4, 1), 4))) {
            assertThrows(
                    TensorException.class,
                    () -> Recording.of(() -> List.of(x.relu().reshape(3))));
            assertEquals(1, x.buffer().holds());
        }
    }

    @Test
    void writeFromTakesOnlyWhatFits() {
        try (Tensor x = kept(() -> Tensor.zeros(2, 3))) {
            x.writeFrom(MemorySegment.ofArray(new float[] {1, 2}));
            assertArrayEquals(new float[] {1, 2, 0, 0, 0, 0}, x.toFloats());
            assertThrows(TensorException.class, () -> x.writeFrom(MemorySegment.ofArray(new float[7])));
            assertThrows(TensorException.class, () -> x.transpose(0, 1).writeFrom(MemorySegment.ofArray(new float[6])));
        }
    }
}
