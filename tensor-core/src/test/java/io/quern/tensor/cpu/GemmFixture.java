package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.fail;

import io.quern.tensor.DType;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;

/** The operands of one matrix product off-heap, with guard words around and inside C, and a check of the result. */
final class GemmFixture implements AutoCloseable {
    private static final float GUARD = 0x1.234568p77f;
    private static final int MARGIN = 40;

    /** How A and B lie in memory: plain, transposed, or with neither stride 1. */
    enum Layout {
        N,
        T,
        STRIDED
    }

    final Arena arena = Arena.ofConfined();
    final int m;
    final int n;
    final int k;
    final DType type;
    private final long a;
    private final long aRow;
    private final long aCol;
    private final long b;
    private final long bRow;
    private final long bCol;
    private final long c;
    private final long ldc;
    private final float[] before;
    long bias;
    boolean accumulate;

    /** @param gap how many elements rows of A, B and C are longer than they need be */
    GemmFixture(int m, int n, int k, Layout la, Layout lb, DType type, int gap, DoubleSupplier values) {
        this.m = m;
        this.n = n;
        this.k = k;
        this.type = type;
        aRow = la == Layout.N ? k + gap : la == Layout.T ? 1 : 3L * (k + gap);
        aCol = la == Layout.N ? 1 : la == Layout.T ? m + gap : 3;
        bRow = lb == Layout.N ? n + gap : lb == Layout.T ? 1 : 3L * (n + gap);
        bCol = lb == Layout.N ? 1 : lb == Layout.T ? k + gap : 3;
        ldc = n + gap;
        a = fill(1 + Math.max(0, (m - 1) * aRow) + Math.max(0, (k - 1) * aCol), DType.F32, values);
        b = fill(1 + Math.max(0, (k - 1) * bRow) + Math.max(0, (n - 1) * bCol), type, values);
        before = new float[(int) (2 * MARGIN + m * ldc)];
        c = fill(before.length, DType.F32, () -> GUARD) + 4 * MARGIN;
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                OffHeap.setFloat(c + 4 * (i * ldc + j), (float) values.getAsDouble());
            }
        }
        OffHeap.read(c - 4 * MARGIN, before, 0, before.length);
    }

    static DoubleSupplier normal(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return random::nextGaussian;
    }

    /** Small whole numbers: sums are exact, so that any difference is a fault. */
    static DoubleSupplier whole(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return () -> random.nextInt(-3, 4);
    }

    GemmFixture withBias(DoubleSupplier values) {
        bias = fill(n, DType.F32, values);
        return this;
    }

    GemmFixture accumulating() {
        accumulate = true;
        return this;
    }

    private long fill(long count, DType type, DoubleSupplier values) {
        long at = arena.allocate(Math.max(1, count) * type.bytes(), 4).address();
        for (long i = 0; i < count; i++) {
            float v = (float) values.getAsDouble();
            switch (type) {
                case BF16 -> OffHeap.setShort(at + 2 * i, (short) (Float.floatToRawIntBits(v) >>> 16));
                case F16 -> OffHeap.setShort(at + 2 * i, Float.floatToFloat16(v));
                default -> OffHeap.setFloat(at + 4 * i, v);
            }
        }
        return at;
    }

    GemmCall call() {
        return new GemmCall(m, n, k, a, aRow, aCol, type, b, bRow, bCol, c, ldc, bias, accumulate);
    }

    void setA(int i, int p, float value) {
        OffHeap.setFloat(call().aAt(i, p), value);
    }

    void setB(int p, int j, float value) {
        OffHeap.setFloat(call().bAt(p, j), value);
    }

    /** Runs a product and returns all of C with its margins. */
    float[] result(Consumer<GemmCall> product) {
        OffHeap.write(before, 0, c - 4 * MARGIN, before.length);
        product.accept(call());
        float[] after = new float[before.length];
        OffHeap.read(c - 4 * MARGIN, after, 0, after.length);
        return after;
    }

    float at(float[] result, int i, int j) {
        return result[(int) (MARGIN + i * ldc + j)];
    }

    /**
     * Checks a product against double arithmetic. A sum of k products with one rounding each, in any order, is off by
     * at most (k + 2) u times the sum of their absolute values (u = 2^-24; the 2 are for C and bias).
     */
    void check(Consumer<GemmCall> product, boolean exact) {
        float[] after = result(product);
        GemmCall g = call();
        String what = m + "x" + n + "x" + k + " " + g;
        double[] column = new double[k];
        for (int j = 0; j < n; j++) {
            for (int p = 0; p < k; p++) {
                column[p] = GemmReference.element(type, g.bAt(p, j));
            }
            double plus = bias == 0 ? 0 : OffHeap.getFloat(bias + 4L * j);
            for (int i = 0; i < m; i++) {
                double first = accumulate ? at(before, i, j) : 0;
                double sum = first + plus;
                double size = Math.abs(first) + Math.abs(plus);
                for (int p = 0; p < k; p++) {
                    double term = OffHeap.getFloat(g.aAt(i, p)) * column[p];
                    sum += term;
                    size += Math.abs(term);
                }
                double allowed = exact ? 0 : (k + 2) * 0x1p-24 * size;
                float found = at(after, i, j);
                if (!(Math.abs(found - sum) <= allowed)) {
                    fail(what + ": (" + i + ", " + j + ") is " + found + ", expected " + sum + " within " + allowed);
                }
            }
        }
        for (int x = 0; x < after.length; x++) {
            long place = Math.floorMod(x - MARGIN, Math.max(1, ldc));
            boolean inside = x >= MARGIN && x < after.length - MARGIN && place < n;
            if (!inside && after[x] != GUARD) {
                fail(what + ": wrote outside of C, at " + (x - MARGIN));
            }
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
