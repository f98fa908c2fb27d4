package io.quern.tensor.cpu;

import io.quern.tensor.cpu.AttentionKernels.Call;

/** Drops attention weights by the counter-based generator; equal in the forward and the backward run. */
final class AttentionDropout {
    private AttentionDropout() {}

    /** Sets each of n weights to 0 or divides it by 1 - p; the first is number {@code first} of the stream. */
    static void apply(Call c, long first, float[] p, int at, int n) {
        int threshold = Philox.threshold(c.options().dropout());
        float scale = c.dropoutScale();
        long[] bits = new long[Philox.GROUP];
        long end = first + n;
        for (long group = first / Philox.GROUP; group * Philox.GROUP < end; group++) {
            Philox.bits(c.options().seed(), c.options().stream(), group, bits);
            long start = group * Philox.GROUP;
            int from = (int) Math.max(0, first - start);
            int to = (int) Math.min(Philox.GROUP, end - start);
            int shift = at + (int) (start - first);
            for (int k = from; k < to; k++) {
                p[shift + k] = (int) bits[k] >>> 8 < threshold ? 0 : p[shift + k] * scale;
            }
        }
    }
}
