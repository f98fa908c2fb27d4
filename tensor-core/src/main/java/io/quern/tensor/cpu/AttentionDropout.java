package io.quern.tensor.cpu;

import io.quern.tensor.cpu.AttentionKernels.Call;

/** Drops attention weights by the counter-based generator; equal in the forward and the backward run. */
final class AttentionDropout {
    private static final int BLOCK = 512;

    private AttentionDropout() {}

    /** Sets each of n weights to 0 or divides it by 1 - p; the first is number {@code first} of the stream. */
    static void apply(Call c, long first, float[] p, int at, int n) {
        int threshold = Philox.threshold(c.options().dropout());
        float scale = c.dropoutScale();
        int[] bits = new int[Math.min(n, BLOCK)];
        for (int j = 0; j < n; j += BLOCK) {
            int some = Math.min(BLOCK, n - j);
            Philox.fill(c.options().seed(), c.options().stream(), first + j, some, bits, 0);
            for (int i = 0; i < some; i++) {
                p[at + j + i] = bits[i] >>> 8 < threshold ? 0 : p[at + j + i] * scale;
            }
        }
    }
}
