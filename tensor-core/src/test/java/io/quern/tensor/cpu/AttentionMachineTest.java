package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.op.Attention;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One head against double arithmetic; keys, values and the table of rows end where a page begins that nobody may touch. */
class AttentionMachineTest {
    private static final int CACHE_ROWS = 3;
    private static final float SCALE = 0.3f;

    private final List<GuardPages> guards = new ArrayList<>();

    @BeforeEach
    void needsMachineCode() {
        assumeTrue(MachineCode.isUsed(), MachineCode.description());
    }

    @AfterEach
    void close() {
        guards.forEach(GuardPages::close);
    }

    private long guarded(long bytes) {
        GuardPages pages = new GuardPages(bytes);
        guards.add(pages);
        return pages.last(bytes);
    }

    private static float[] some(int n, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) random.nextDouble(-1, 1);
        }
        return x;
    }

    private long floats(float[] x) {
        long at = guarded(4L * x.length);
        OffHeap.write(x, 0, at, x.length);
        return at;
    }

    @Test
    void servesWholeVectors() {
        for (int size : new int[] {16, 32, 64, 128}) {
            assertTrue(AttentionMachine.serves(size));
        }
        for (int size : new int[] {0, 8, 24, 65, 144}) {
            assertFalse(AttentionMachine.serves(size));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {16, 32, 48, 64, 80, 96, 112, 128})
    void isAttentionOfOneHead(int size) {
        for (int n : new int[] {1, 2, 3, 4, 5, 7, 8, 31, 66}) {
            for (int variant = 0; variant < 8; variant++) {
                check(
                        size,
                        n,
                        Math.min(n, 1 + variant % 3),
                        (variant & 1) != 0,
                        (variant & 2) != 0,
                        (variant & 4) != 0);
            }
        }
    }

    private void check(int size, int n, int queries, boolean table, boolean causal, boolean masked) {
        String what = "size " + size + ", keys " + n + ", queries " + queries + (table ? ", table" : "")
                + (causal ? ", causal" : "") + (masked ? ", masked" : "");
        float[] q = some(queries * size, 1);
        float[] k = some(CACHE_ROWS * n * size, 2);
        float[] v = some(CACHE_ROWS * n * size, 3);
        int[] rows = new int[n];
        int[] mask = new int[n];
        for (int j = 0; j < n; j++) {
            rows[j] = table ? j * 2 % CACHE_ROWS : 0;
            mask[j] = masked && j % 3 == 1 ? 0 : 1;
        }
        long rowsAt = guarded(4L * n);
        OffHeap.write(rows, 0, rowsAt, n);
        long maskAt = guarded(4L * n);
        OffHeap.write(mask, 0, maskAt, n);
        long out = guarded(4L * queries * size);
        long lse = guarded(4L * queries);
        Call c = new Call(
                1,
                queries,
                n,
                1,
                1,
                size,
                new Rows(floats(q), (long) queries * size, size, 0),
                new Rows(floats(k), (long) n * size, size, 0),
                new Rows(floats(v), (long) n * size, size, 0),
                masked ? maskAt : 0,
                table ? rowsAt : 0,
                causal ? Attention.Options.causal(SCALE) : Attention.Options.full(SCALE));
        AttentionMachine.head(c, 0, 0, new Rows(out, 0, size, 0), lse);
        for (int i = 0; i < queries; i++) {
            double[] p = new double[c.visible(i)];
            double sum = 0;
            for (int j = 0; j < p.length; j++) {
                double dot = 0;
                for (int d = 0; d < size; d++) {
                    dot += (double) q[i * size + d] * k[(rows[j] * n + j) * size + d];
                }
                p[j] = mask[j] == 0 ? 0 : Math.exp(SCALE * dot);
                sum += p[j];
            }
            double logSum = OffHeap.getFloat(lse + 4L * i);
            assertEquals(Math.log(sum), logSum, 1e-5, what);
            for (int d = 0; d < size; d++) {
                double expected = 0;
                for (int j = 0; j < p.length; j++) {
                    expected += p[j] / sum * v[(rows[j] * n + j) * size + d];
                }
                assertEquals(expected, OffHeap.getFloat(out + 4L * (i * size + d)), 2e-6, what);
            }
        }
        guards.forEach(GuardPages::close);
        guards.clear();
    }

    /** A key's score has the same bits in a group of four and alone, so beams may share keys. */
    @Test
    void theScoreOfAKeyDoesNotDependOnItsPlace() {
        int size = 64;
        float[] q = some(size, 1);
        float[] one = some(size, 2);
        float[] k = new float[7 * size];
        for (int j = 0; j < 7; j++) {
            System.arraycopy(one, 0, k, j * size, size);
        }
        long out = guarded(4L * size);
        long lse = guarded(4);
        float[] sums = new float[2];
        Rows rows = new Rows(floats(k), 0, size, 0);
        for (int n : new int[] {1, 7}) {
            Call c = new Call(
                    1, 1, n, 1, 1, size, new Rows(floats(q), 0, size, 0), rows, rows, 0, 0, Attention.Options.full(1));
            AttentionMachine.head(c, 0, 0, new Rows(out, 0, size, 0), lse);
            sums[n / 7] = OffHeap.getFloat(lse);
            float[] got = new float[size];
            OffHeap.read(out, got, 0, size);
            for (int d = 0; d < size; d++) {
                assertEquals(one[d], got[d], 1e-6);
            }
        }
        assertArrayEquals(new float[] {sums[0], sums[0] + (float) Math.log(7)}, sums, 1e-6f);
    }
}
