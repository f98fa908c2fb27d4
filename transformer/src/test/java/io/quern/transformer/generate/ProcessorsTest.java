package io.quern.transformer.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Rng;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The processors and their partial selections against full sorts. */
class ProcessorsTest {
    private static final float BANNED = Float.NEGATIVE_INFINITY;
    private static final TokenSequence NONE = new TokenSequence(new int[] {0}, 0);

    /** Scores with many ties and some bans. */
    private static float[] scores(int n, long seed) {
        Rng rng = new Rng(seed);
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = rng.nextInt(10) == 0 ? BANNED : rng.nextInt(40) / 4f - 5;
        }
        return x;
    }

    private static List<Integer> sorted(float[] x) {
        return IntStream.range(0, x.length)
                .boxed()
                .filter(i -> x[i] != BANNED)
                .sorted(Comparator.<Integer>comparingDouble(i -> -x[i]).thenComparing(i -> i))
                .toList();
    }

    private static Set<Integer> kept(float[] x) {
        return new HashSet<>(sorted(x));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 100, 1000})
    void partialSelectionsAgreeWithSorting(int n) {
        for (long seed = 0; seed < 20; seed++) {
            float[] x = scores(n, seed);
            List<Integer> order = sorted(x);
            ScoreHeap heap = new ScoreHeap();
            heap.fill(x);
            List<Integer> polled = new ArrayList<>();
            while (heap.size() > 0) {
                polled.add(heap.poll());
            }
            assertEquals(order, polled);
            for (int k : new int[] {1, 3, 50}) {
                TopScores top = new TopScores(k);
                top.offerAll(x, n, 0);
                top.sort();
                assertEquals(
                        order.subList(0, Math.min(k, order.size())),
                        IntStream.of(top.indices()).boxed().toList());
            }
        }
    }

    @Test
    void topKKeepsAllThatTieWithTheKth() {
        for (long seed = 0; seed < 20; seed++) {
            float[] x = scores(200, seed);
            List<Integer> order = sorted(x);
            for (int k : new int[] {1, 5, 60, 199, 200, 1000}) {
                float[] y = x.clone();
                new LogitsProcessors.TopK(k).process(y, NONE);
                float threshold = x[order.get(Math.min(k, order.size()) - 1)];
                Set<Integer> expected = new HashSet<>(order);
                expected.removeIf(i -> x[i] < threshold);
                assertEquals(expected, kept(y));
            }
        }
    }

    @Test
    void topPKeepsTheSmallestSetThatSumsToP() {
        for (long seed = 0; seed < 20; seed++) {
            float[] x = scores(200, seed);
            List<Integer> order = sorted(x);
            double sum = order.stream().mapToDouble(i -> Math.exp(x[i])).sum();
            for (double p : new double[] {1e-9, 0.3, 0.9, 0.999}) {
                float[] y = x.clone();
                new LogitsProcessors.TopP(p).process(y, NONE);
                Set<Integer> got = kept(y);
                double mass = got.stream().mapToDouble(i -> Math.exp(x[i])).sum() / sum;
                double least =
                        got.stream().mapToDouble(i -> Math.exp(x[i])).min().orElseThrow() / sum;
                assertEquals(new HashSet<>(order.subList(0, got.size())), got, "the likeliest");
                assertTrue(mass >= p - 1e-12 && mass - least < p + 1e-12, "smallest set: " + mass + " for " + p);
            }
        }
    }

    @Test
    void ngramsOfEverySizeAreBannedOnce() {
        int[] tokens = {1, 2, 3, 1, 2, 4, 1, 2};
        assertBanned(tokens, 1, 1, 2, 3, 4);
        assertBanned(tokens, 2, 3, 4);
        assertBanned(tokens, 3, 3, 4);
        assertBanned(tokens, 4);
        assertBanned(tokens, 20);
        assertBanned(new int[] {5, 5, 5}, 3, 5);
        assertBanned(new int[] {5, 5}, 3);
    }

    private static void assertBanned(int[] tokens, int n, Integer... banned) {
        float[] x = new float[8];
        new LogitsProcessors.NoRepeatNgram(n).process(x, new TokenSequence(tokens, 0));
        Set<Integer> left = kept(x);
        Set<Integer> expected = new HashSet<>(IntStream.range(0, 8).boxed().toList());
        expected.removeAll(Set.of(banned));
        assertEquals(expected, left);
    }

    @Test
    void aRepeatedTokenIsPenalisedOnce() {
        float[] x = {2, -2, 3, 0};
        new LogitsProcessors.RepetitionPenalty(2).process(x, new TokenSequence(new int[] {0, 1, 0, 1, 3, 0}, 0));
        assertArrayEquals(new float[] {1, -4, 3, 0}, x);
    }

    @Test
    void endTokensAreBannedUntilThereAreEnough() {
        TokenSequence tokens = new TokenSequence(new int[] {1, 1, 1}, 2);
        LogitsProcessor p = new LogitsProcessors.MinNewTokens(2, List.of(1, 3, 99));
        for (int i = 0; i < 4; i++) {
            float[] x = new float[4];
            p.process(x, tokens);
            assertEquals(i < 2 ? Set.of(0, 2) : Set.of(0, 1, 2, 3), kept(x));
            tokens.add(2);
        }
    }
}
