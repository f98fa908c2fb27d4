package io.quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RngTest {
    /** Index of the first word of a block; the other words follow 16 apart. */
    private static long firstWord(long block) {
        return block / 16 * 64 + block % 16;
    }

    /** Known answers of philox4x32-10 in the distribution of Random123 (kat_vectors). */
    @Test
    void philoxGivesTheKnownAnswers() {
        int[] zero = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
        for (int w = 0; w < 4; w++) {
            assertEquals(zero[w], Rng.bits(0, 0, firstWord(0) + 16 * w));
        }
        // No index reaches a block whose number is all ones, nor one of a negative number; everyIndexIsAWordOfItsBlock
        // ties the plain form below to Rng.bits.
        int[] ones = philox(-1, -1, -1, -1, -1, -1);
        assertEquals(0x408f276d, ones[0]);
        assertEquals(0x41c83b0e, ones[1]);
        assertEquals(0xa20bc7c6, ones[2]);
        assertEquals(0x6d5451fd, ones[3]);
        int[] pi = philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0);
        assertEquals(0xd16cfe09, pi[0]);
        assertEquals(0x94fdcceb, pi[1]);
        assertEquals(0x5001e420, pi[2]);
        assertEquals(0x24126ea1, pi[3]);
    }

    /** As the paper writes it. */
    private static int[] philox(int c0, int c1, int c2, int c3, int k0, int k1) {
        int[] c = {c0, c1, c2, c3};
        for (int r = 0; r < 10; r++) {
            long p0 = 0xD2511F53L * Integer.toUnsignedLong(c[0]);
            long p1 = 0xCD9E8D57L * Integer.toUnsignedLong(c[2]);
            c = new int[] {
                (int) (p1 >>> 32) ^ c[1] ^ (k0 + r * 0x9E3779B9),
                (int) p1,
                (int) (p0 >>> 32) ^ c[3] ^ (k1 + r * 0xBB67AE85),
                (int) p0
            };
        }
        return c;
    }

    @Test
    void everyIndexIsAWordOfItsBlock() {
        Rng draw = new Rng(99);
        for (int trial = 0; trial < 1000; trial++) {
            long seed = draw.nextLong();
            long stream = draw.nextLong();
            long index = draw.nextLong() >>> (2 + draw.nextInt(60));
            long block = (index / 64) * 16 + index % 16;
            int[] words =
                    philox((int) block, (int) (block >>> 32), (int) stream, (int) (stream >>> 32), (int) seed, (int)
                            (seed >>> 32));
            assertEquals(words[(int) (index / 16 % 4)], Rng.bits(seed, stream, index));
        }
    }

    @Test
    void aStreamIsItsPosition() {
        Rng a = new Rng(7, 2);
        int[] first = new int[200];
        Set<Integer> distinct = new HashSet<>();
        for (int i = 0; i < first.length; i++) {
            first[i] = a.nextInt();
            distinct.add(first[i]);
            assertEquals(Rng.bits(7, 2, i), first[i]);
        }
        assertEquals(200, distinct.size());
        assertEquals(200, a.position());
        a.seek(150);
        assertEquals(first[150], a.nextInt());
        assertNotEquals(new Rng(7, 3).nextInt(), first[0]);
        assertNotEquals(new Rng(8, 2).nextInt(), first[0]);
    }

    @Test
    void numbersFillTheirRangeEvenly() {
        Rng rng = new Rng(1);
        int n = 100_000;
        int[] bins = new int[16];
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < n; i++) {
            float f = rng.nextFloat();
            double d = rng.nextDouble();
            assertTrue(f >= 0 && f < 1 && d >= 0 && d < 1);
            bins[(int) (f * 16)]++;
            double g = rng.nextGaussian();
            sum += g;
            squares += g * g;
        }
        double chi = 0;
        for (int b : bins) {
            chi += (b - n / 16.0) * (b - n / 16.0) / (n / 16.0);
        }
        assertTrue(chi < 37.7, "chi-squared of 15 degrees, 0.1 %: " + chi);
        assertEquals(0, sum / n, 4 / Math.sqrt(n));
        assertEquals(1, squares / n, 4 * Math.sqrt(2.0 / n));
        assertEquals(0f, Rng.toUniform(0xFF));
        assertTrue(Rng.toUniform(-1) < 1);
    }

    @Test
    void boundedIntegersAreWithinTheirBoundAndEven() {
        Rng rng = new Rng(3);
        int[] counts = new int[6];
        for (int i = 0; i < 60_000; i++) {
            counts[rng.nextInt(6)]++;
        }
        double chi = 0;
        for (int c : counts) {
            chi += (c - 10_000.0) * (c - 10_000.0) / 10_000;
        }
        assertTrue(chi < 20.5, "chi-squared of 5 degrees, 0.1 %: " + chi);
        for (int bound : new int[] {1, 2, 3, 1 << 30, (1 << 30) + 1, Integer.MAX_VALUE}) {
            for (int i = 0; i < 100; i++) {
                int x = rng.nextInt(bound);
                assertTrue(x >= 0 && x < bound);
            }
        }
        assertThrows(IllegalArgumentException.class, () -> rng.nextInt(0));
    }

    /** Without rejection, words 8 n to 8 n + 7 would give this bound's numbers 3 n, 3 n + 1 and 3 n + 2 as 3 : 3 : 2. */
    @Test
    void largeBoundsAreNotBiased() {
        Rng rng = new Rng(4);
        int third = 0;
        int n = 30_000;
        for (int i = 0; i < n; i++) {
            third += rng.nextInt(3 << 29) % 3 == 2 ? 1 : 0;
        }
        assertEquals(n / 3.0, third, 4 * Math.sqrt(n * 2 / 9.0));
    }

    @Test
    void randnIsTheSameForTheSameSeed() {
        Scope.run(() -> {
            Tensor a = Tensor.randn(new Rng(5), 2, 100);
            Tensor b = Tensor.randn(new Rng(5), 2, 100);
            assertEquals(0, a.sub(b).abs().max().item());
            return null;
        });
    }
}
