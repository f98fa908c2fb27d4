package io.quern.transformer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Init;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.spi.MemoryStats;
import io.quern.transformer.model.Gpt2;
import io.quern.transformer.model.Gpt2Config;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KvCacheTest extends LeakChecked {
    private static final double CLOSE = 2e-5;

    private Gpt2 model;

    @BeforeEach
    void build() {
        // 150 positions: two blocks of the cache and a part of one
        model = new Gpt2(Gpt2Config.of(40, 150, 32, 2, 4), Init.normal(3, 0.3));
    }

    @AfterEach
    void close() {
        model.close();
    }

    private static int[] tokens(int n, long seed) {
        Rng rng = new Rng(seed);
        int[] ids = new int[n];
        Arrays.setAll(ids, i -> rng.nextInt(40));
        return ids;
    }

    private float[] full(int... ids) {
        return Scope.run(() -> model.logits(Tensor.of(ids, 1, ids.length))
                .select(1, ids.length - 1)
                .toFloats());
    }

    private float[] next(KvCache cache, int sequences, int... ids) {
        return Scope.run(() -> model.lastLogits(Tensor.of(ids, sequences, ids.length / sequences), cache)
                .toFloats());
    }

    private static float[] row(float[] all, int row) {
        return Arrays.copyOfRange(all, row * 40, (row + 1) * 40);
    }

    private static int[] append(int[] ids, int... more) {
        int[] all = Arrays.copyOf(ids, ids.length + more.length);
        System.arraycopy(more, 0, all, ids.length, more.length);
        return all;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 64, 150})
    void prefillInChunksGivesTheLogitsOfTheFullForward(int chunk) {
        int[] ids = tokens(150, 1);
        try (KvCache cache = model.newCache(1)) {
            for (int at = 0; at < ids.length; at += chunk) {
                int end = Math.min(ids.length, at + chunk);
                float[] got = next(cache, 1, Arrays.copyOfRange(ids, at, end));
                assertEquals(end, cache.length());
                if (chunk > 1 || at % 16 == 15) {
                    assertClose(full(Arrays.copyOf(ids, end)), got);
                }
            }
        }
    }

    @Test
    void sequencesThatShareAPromptAndBranchGiveTheLogitsOfEachAlone() {
        int[] prompt = tokens(70, 2);
        try (KvCache cache = model.newCache(3)) {
            next(cache, 1, prompt);
            cache.select(0, 0, 0);
            float[] got = next(cache, 3, 5, 6, 7);
            int[][] sequences = {append(prompt, 5), append(prompt, 6), append(prompt, 7)};
            for (int i = 0; i < 3; i++) {
                assertClose(full(sequences[i]), row(got, i));
            }
            // two go on from the last, one from the first; then they cross
            int[][] parents = {{2, 2, 0}, {1, 0, 2}, {2, 0, 0}, {1, 0}, {1, 1, 0}};
            for (int step = 0; step < parents.length; step++) {
                int[] p = parents[step];
                cache.select(p);
                int[] add = new int[p.length];
                int[][] grown = new int[p.length][];
                for (int i = 0; i < p.length; i++) {
                    add[i] = (11 * step + 7 * i + 1) % 40;
                    grown[i] = append(sequences[p[i]], add[i]);
                }
                sequences = grown;
                got = next(cache, p.length, add);
                for (int i = 0; i < p.length; i++) {
                    assertClose(full(sequences[i]), row(got, i));
                }
            }
        }
    }

    @Test
    void independentSequencesOfOneBatchGiveTheLogitsOfEachAlone() {
        int[] a = tokens(9, 3);
        int[] b = tokens(9, 4);
        try (KvCache cache = model.newCache(2)) {
            float[] got = next(cache, 2, append(a, b));
            assertClose(full(a), row(got, 0));
            assertClose(full(b), row(got, 1));
            got = next(cache, 2, 1, 2);
            assertClose(full(append(a, 1)), row(got, 0));
            assertClose(full(append(b, 2)), row(got, 1));
        }
    }

    @Test
    void aCutCacheGoesOnFromThere() {
        int[] ids = tokens(20, 5);
        try (KvCache cache = model.newCache(1)) {
            next(cache, 1, ids);
            cache.truncate(12);
            float[] got = next(cache, 1, 4, 4);
            assertClose(full(append(Arrays.copyOf(ids, 12), 4, 4)), got);
        }
    }

    @Test
    void memoryGrowsInBlocksAndNotBeyondTheContext() {
        try (KvCache cache = model.newCache(2)) {
            assertEquals(0, cache.bytes());
            next(cache, 1, tokens(3, 6));
            long perToken = 2L * 2 * 2 * 32 * 4; // keys and values, layers, rows, width, bytes
            assertEquals(64 * perToken, cache.bytes());
            next(cache, 1, tokens(62, 6));
            assertEquals(128 * perToken, cache.bytes());
            cache.reserve(150);
            assertEquals(150 * perToken, cache.bytes());
        }
    }

    @Test
    void stepsAllocateNothingOnceThereIsRoom() {
        try (KvCache cache = model.newCache(1)) {
            cache.reserve(150);
            next(cache, 1, tokens(100, 6));
            next(cache, 1, 1);
            long before = Device.CPU.backend().memory().systemAllocations();
            for (int i = 0; i < 20; i++) {
                next(cache, 1, i);
            }
            assertEquals(before, Device.CPU.backend().memory().systemAllocations());
        }
    }

    @Test
    void tooManyTokensAreAnErrorThatLeavesTheCacheAsItWas() {
        try (KvCache cache = model.newCache(1)) {
            next(cache, 1, tokens(149, 7));
            TensorException e = assertThrows(TensorException.class, () -> next(cache, 1, 1, 2));
            assertTrue(e.getMessage().contains("151 tokens is longer than the model's context of 150"), e.getMessage());
            assertEquals(149, cache.length());
            assertClose(full(append(tokens(149, 7), 3)), next(cache, 1, 3));
        }
    }

    @Test
    void anUnknownTokenLeavesTheCacheAsItWas() {
        try (KvCache cache = model.newCache(1)) {
            next(cache, 1, 1, 2);
            TensorException e = assertThrows(TensorException.class, () -> next(cache, 1, 40));
            assertTrue(e.getMessage().contains("40"), e.getMessage());
            assertEquals(2, cache.length());
            assertClose(full(1, 2, 3), next(cache, 1, 3));
        }
    }

    @Test
    void wrongBatchesAndParentsAreErrors() {
        try (KvCache cache = model.newCache(2)) {
            next(cache, 1, 1, 2);
            assertThrows(TensorException.class, () -> next(cache, 2, 1, 2));
            assertThrows(IllegalArgumentException.class, () -> cache.select(1));
            assertThrows(IllegalArgumentException.class, () -> cache.select(0, 0, 0));
            assertThrows(IllegalArgumentException.class, () -> cache.select());
            assertThrows(IllegalArgumentException.class, () -> cache.truncate(3));
            assertThrows(IllegalArgumentException.class, () -> model.newCache(0));
        }
    }

    private static void assertClose(float[] expected, float[] got) {
        assertArrayEquals(expected, got, (float) CLOSE);
    }

    @Test
    void decodingAsksForNoMoreNativeMemory() {
        try (KvCache cache = model.newCache(1)) {
            cache.reserve(150);
            decode(cache, 150); // every length once
            MemoryStats before = Device.CPU.backend().memory();
            decode(cache, 450);
            MemoryStats after = Device.CPU.backend().memory();
            assertEquals(before.live(), after.live());
            assertEquals(before.reserved(), after.reserved());
            assertEquals(before.systemAllocations(), after.systemAllocations());
        }
    }

    /** Goes on for so many tokens; the cache starts again where the context ends. */
    private void decode(KvCache cache, int tokens) {
        for (int i = 0; i < tokens; i++) {
            if (cache.length() == 150) {
                cache.truncate(0);
            }
            next(cache, 1, i % 40);
        }
    }
}
