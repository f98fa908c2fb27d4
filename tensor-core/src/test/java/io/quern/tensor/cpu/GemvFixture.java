package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import io.quern.tensor.DType;
import io.quern.tensor.quant.Blocks;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * The operands of a product with few rows, each ending where a page begins that nobody may touch (see {@link GuardPages}),
 * and a check of the result against double arithmetic.
 */
final class GemvFixture implements AutoCloseable {
    private static final float GUARD = 0x1.234568p77f;

    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");

    private final Arena arena = Arena.ofConfined();
    private final List<GuardPages> guards = new ArrayList<>();
    private final DType type;
    private final boolean alongK;
    private final int m;
    private final int n;
    private final int k;
    private final int ldc;
    private final float[] x;
    private final float[] w; // [n, k], what the weights stand for
    private final float[] bias;
    private final float[] before; // [m, ldc] without the last gap
    private final long xAt;
    private final long wAt;
    private final long biasAt;
    private final long yAt;
    private boolean turned;
    boolean hasBias;
    boolean accumulate;

    GemvFixture(DType type, boolean alongK, int m, int n, int k) {
        this.type = type;
        this.alongK = alongK;
        this.m = m;
        this.n = n;
        this.k = k;
        ldc = n + 3;
        SplittableRandom random = new SplittableRandom(m + 31L * n + 997L * k);
        x = normal(random, m * k);
        bias = normal(random, n);
        before = normal(random, (m - 1) * ldc + n);
        for (int i = 0; i < before.length; i++) {
            if (i % ldc >= n) {
                before[i] = GUARD;
            }
        }
        xAt = floats(x);
        biasAt = floats(bias);
        yAt = floats(before);
        byte[] bytes = new byte[(int) type.bytes((long) n * k)];
        float[] exact = normal(random, n * k);
        w = new float[n * k];
        if (type.isQuantized()) {
            Blocks.quantize(type, exact, 0, n * k, bytes, 0);
            Blocks.dequantize(type, bytes, 0, n * k, w, 0);
            wAt = allocate(bytes.length);
            OffHeap.write(bytes, 0, wAt, bytes.length);
        } else {
            wAt = allocate(bytes.length);
            for (int j = 0; j < n; j++) {
                for (int p = 0; p < k; p++) {
                    w[j * k + p] = put(alongK ? j * (long) k + p : p * (long) n + j, exact[j * k + p]);
                }
            }
        }
    }

    private static float[] normal(SplittableRandom random, int size) {
        float[] all = new float[size];
        for (int i = 0; i < size; i++) {
            all[i] = (float) random.nextGaussian();
        }
        return all;
    }

    private long allocate(long bytes) {
        if (!LINUX) {
            return arena.allocate(bytes, 4).address();
        }
        GuardPages pages = new GuardPages(bytes);
        guards.add(pages);
        return pages.last(bytes);
    }

    private long floats(float[] values) {
        long at = allocate(4L * values.length);
        OffHeap.write(values, 0, at, values.length);
        return at;
    }

    /** Rounds and stores a weight; returns what it stands for. */
    private float put(long element, float value) {
        switch (type) {
            case F32 -> {
                OffHeap.setFloat(wAt + 4 * element, value);
                return value;
            }
            case BF16 -> {
                int bits = Float.floatToRawIntBits(value) & 0xffff0000;
                OffHeap.setShort(wAt + 2 * element, (short) (bits >>> 16));
                return Float.intBitsToFloat(bits);
            }
            default -> {
                short half = Float.floatToFloat16(value);
                OffHeap.setShort(wAt + 2 * element, half);
                return Float.float16ToFloat(half);
            }
        }
    }

    /** Lets x lie by columns. */
    void turnX() {
        turned = true;
        for (int i = 0; i < m; i++) {
            for (int p = 0; p < k; p++) {
                setX(i, p, x[i * k + p]);
            }
        }
    }

    void setX(int i, int p, float value) {
        x[i * k + p] = value;
        OffHeap.setFloat(xAt + 4L * (turned ? p * m + i : i * k + p), value);
    }

    /** x is 1, then zeros. */
    void onlyFirst() {
        for (int i = 0; i < m; i++) {
            for (int p = 0; p < k; p++) {
                setX(i, p, p == 0 ? 1 : 0);
            }
        }
    }

    /** All of x and all quantised weights. */
    void setAll(float ofX, float ofW) {
        for (int i = 0; i < m; i++) {
            for (int p = 0; p < k; p++) {
                setX(i, p, ofX);
            }
        }
        java.util.Arrays.fill(w, ofW);
        byte[] bytes = new byte[(int) type.bytes((long) n * k)];
        Blocks.quantize(type, w, 0, n * k, bytes, 0);
        Blocks.dequantize(type, bytes, 0, n * k, w, 0);
        OffHeap.write(bytes, 0, wAt, bytes.length);
    }

    /** Sets the block of Q8_0 that is column j (k is 32): the scale, and the first number. */
    void setBlock(int j, short scale, byte first) {
        long at = wAt + 34L * j;
        OffHeap.setShort(at, scale);
        OffHeap.setShort(at + 2, (short) (first & 0xff | OffHeap.getShort(at + 2) & 0xff00));
    }

    GemmCall call() {
        return new GemmCall(
                m,
                n,
                k,
                xAt,
                turned ? 1 : k,
                turned ? m : 1,
                type,
                wAt,
                alongK ? 1 : n,
                alongK ? k : 1,
                yAt,
                ldc,
                hasBias ? biasAt : 0,
                accumulate);
    }

    /** The product with one row of x. */
    GemmCall row(int i) {
        GemmCall g = call();
        return new GemmCall(
                1,
                n,
                k,
                g.aAt(i, 0),
                g.aRow(),
                g.aCol(),
                type,
                wAt,
                g.bRow(),
                g.bCol(),
                g.cAt(i, 0),
                ldc,
                g.bias(),
                accumulate);
    }

    /** Runs a product and returns all of y. */
    float[] result(Consumer<GemmCall> product) {
        OffHeap.write(before, 0, yAt, before.length);
        product.accept(call());
        float[] after = new float[before.length];
        OffHeap.read(yAt, after, 0, after.length);
        return after;
    }

    float at(float[] result, int i, int j) {
        return result[i * ldc + j];
    }

    /** As {@link #check}, and each x may be off by a part of the largest of its 32 numbers. */
    void checkFixed(Consumer<GemmCall> product, double part) {
        float[] after = result(product);
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                double allowed = 0;
                for (int p = 0; p < k; p++) {
                    double term = (double) x[i * k + p] * w[j * k + p];
                    float largest = 0x1p-60f; // below, blocks lose digits
                    for (int q = p / 32 * 32; q < p / 32 * 32 + 32; q++) {
                        largest = Math.max(largest, Math.abs(x[i * k + q]));
                    }
                    sum += term;
                    // a weight may be the small difference of a number and a minimum of about 4
                    allowed += part / 2 * largest * Math.abs(w[j * k + p])
                            + 0x1p-24 * (k + 16) * Math.abs(term)
                            + 4 * 0x1p-24 * largest;
                }
                float found = at(after, i, j);
                if (!(Math.abs(found - sum) <= allowed)) {
                    fail(type + ": (" + i + ", " + j + ") is " + found + ", expected " + sum + " within " + allowed);
                }
            }
        }
    }

    /** A sum of k products is off by a rounding for each; a weight by up to 4 of its own, whose minimum may exceed it. */
    void check(Consumer<GemmCall> product) {
        float[] after = result(product);
        String what = type + (alongK ? " [n, k] " : " [k, n] ") + m + "x" + n + "x" + k + (hasBias ? " bias" : "")
                + (accumulate ? " accumulating" : "");
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double sum = (hasBias ? bias[j] : 0) + (accumulate ? at(before, i, j) : 0);
                double size = (hasBias ? Math.abs(bias[j]) : 0) + (accumulate ? Math.abs(at(before, i, j)) : 0);
                for (int p = 0; p < k; p++) {
                    double term = (double) x[i * k + p] * w[j * k + p];
                    sum += term;
                    size += Math.abs(term);
                }
                double allowed = (k + (type.isQuantized() ? 16 : 2)) * 0x1p-24 * size;
                float found = at(after, i, j);
                if (!(Math.abs(found - sum) <= allowed)) {
                    fail(what + ": (" + i + ", " + j + ") is " + found + ", expected " + sum + " within " + allowed);
                }
            }
        }
        for (int i = 0; i < after.length; i++) {
            if (i % ldc >= n) {
                assertEquals(GUARD, after[i], what + ": wrote between the rows of y");
            }
        }
    }

    @Override
    public void close() {
        arena.close();
        guards.forEach(GuardPages::close);
    }
}
