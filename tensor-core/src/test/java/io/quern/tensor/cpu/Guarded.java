package io.quern.tensor.cpu;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Arrays of floats that end, or begin, where a page begins that nobody may touch. */
final class Guarded implements AutoCloseable {
    private final List<GuardPages> pages = new ArrayList<>();

    /** Room for so many floats, just before such a page. */
    long room(int n) {
        GuardPages p = new GuardPages(4L * n);
        pages.add(p);
        return p.last(4L * n);
    }

    /** A copy just before such a page. */
    long copy(float... x) {
        long at = room(x.length);
        OffHeap.write(x, 0, at, x.length);
        return at;
    }

    /** A copy just behind such a page. */
    long copyAtStart(float... x) {
        GuardPages p = new GuardPages(4L * x.length);
        pages.add(p);
        OffHeap.write(x, 0, p.first(), x.length);
        return p.first();
    }

    static float[] read(long at, int n) {
        float[] x = new float[n];
        OffHeap.read(at, x, 0, n);
        return x;
    }

    /** Numbers from -1 to 1. */
    static float[] some(int n, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) random.nextDouble(-1, 1);
        }
        return x;
    }

    @Override
    public void close() {
        pages.forEach(GuardPages::close);
        pages.clear();
    }
}
