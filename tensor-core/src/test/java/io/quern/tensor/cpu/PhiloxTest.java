package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.quern.tensor.Rng;
import org.junit.jupiter.api.Test;

class PhiloxTest {
    @Test
    void givesTheBitsOfRng() {
        long[] firsts = {0, 1, 63, 64, 100, (1L << 32) - 5, (1L << 36) * 4 - 70, 123456789012345L};
        for (long seed : new long[] {0, -1, 0x123456789ABCDEFL}) {
            for (long stream : new long[] {0, 77, -3L << 31}) {
                for (long first : firsts) {
                    int[] bits = new int[203];
                    Philox.fill(seed, stream, first, 200, bits, 2);
                    for (int i = 0; i < 200; i++) {
                        assertEquals(Rng.bits(seed, stream, first + i), bits[2 + i], first + " + " + i);
                    }
                    assertEquals(0, bits[1]);
                    assertEquals(0, bits[202]);
                }
            }
        }
    }

    @Test
    void thresholdIsExact() {
        for (double p : new double[] {0, 0x1p-24, 0.1, 0.5, 0.1 + 0x1p-30, 1 - 0x1p-24}) {
            int t = Philox.threshold(p);
            for (int k = Math.max(0, t - 2); k < Math.min(1 << 24, t + 2); k++) {
                assertEquals(Rng.toUniform(k << 8) < p, k < t, p + " " + k);
            }
        }
    }
}
