package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.x86.MachineCode;

/**
 * Matrix products on off-heap memory: C[m, n] = A[m, k] B[k, n] + bias[n], or C += the same.
 *
 * <p>Addresses are in bytes, strides in elements. Any strides of A and B are right; it is fast if one stride of each is
 * 1, which covers plain and transposed operands. Rows of C are contiguous and {@code ldc} apart. C must not overlap A,
 * B or bias. Sizes may be 0; a sum over no k is 0.
 *
 * <p>Products accumulate in f32 in an order that depends on k and on the kernel alone: the same bits for any number of
 * threads. Few rows have a kernel of their own ({@link Gemv}), and so have large products where there are tiles of AMX
 * ({@link AmxMachine}, whose sums are nearer to the exact ones); the others take fused multiply-adds. Where borders between
 * rows and columns lie does depend on the number of threads. NaN and infinity propagate; nothing is skipped for being zero.
 * Bound by arithmetic from some 50 rows on, by reading B below.
 *
 * <p>Where {@link MachineCode} is used, {@link GemmMachine} does multiply-adds, else {@link GemmDriver} with the same bits.
 *
 * <p>The scalar twin is {@link GemmReference}, which also runs where there are no fused multiply-add instructions.
 */
public final class Gemm {
    private static final GemmDriver DRIVER = new GemmDriver(GemmKernel.preferred());

    /** Items of a batch with more multiplications than this are shared out in themselves. */
    private static final long LARGE = 1 << 24;

    /** Multiplications that are worth a task. */
    private static final long TASK = 1 << 17;

    private Gemm() {}

    /**
     * C = A B + bias, all in f32.
     *
     * @param a address of A[m, k]; element (i, p) lies {@code i * aRow + p * aCol} elements further
     * @param b address of B[k, n]; element (p, j) lies {@code p * bRow + j * bCol} elements further
     * @param c address of C[m, n]; element (i, j) lies {@code i * ldc + j} elements further
     * @param bias address of bias[n], or 0 for none
     * @param accumulate whether to add to C instead of overwriting it
     */
    public static void f32(
            int m,
            int n,
            int k,
            long a,
            long aRow,
            long aCol,
            long b,
            long bRow,
            long bCol,
            long c,
            long ldc,
            long bias,
            boolean accumulate) {
        run(new GemmCall(m, n, k, a, aRow, aCol, DType.F32, b, bRow, bCol, c, ldc, bias, accumulate));
    }

    /**
     * As {@link #f32}, with B in {@code type}: F32, BF16 or F16, widened exactly; its strides in elements of this type.
     */
    public static void weights(
            DType type,
            int m,
            int n,
            int k,
            long a,
            long aRow,
            long aCol,
            long b,
            long bRow,
            long bCol,
            long c,
            long ldc,
            long bias,
            boolean accumulate) {
        run(new GemmCall(m, n, k, a, aRow, aCol, type, b, bRow, bCol, c, ldc, bias, accumulate));
    }

    /**
     * {@code batch} products as in {@link #f32}, the operands of each {@code aBatch}, {@code bBatch} and {@code cBatch}
     * elements after those of the one before. A stride of 0 for A or B takes the same matrix for all. The bias is
     * shared.
     */
    public static void f32Batched(
            int batch,
            int m,
            int n,
            int k,
            long a,
            long aBatch,
            long aRow,
            long aCol,
            long b,
            long bBatch,
            long bRow,
            long bCol,
            long c,
            long cBatch,
            long ldc,
            long bias,
            boolean accumulate) {
        if (batch < 0) {
            throw new IllegalArgumentException("matrix product: batch must not be negative, found " + batch);
        }
        if (batch == 0) {
            return;
        }
        if (batch > 1 && cBatch == 0) {
            throw new IllegalArgumentException("matrix product: the results of a batch must not lie in one place");
        }
        long all = (long) batch * m;
        if (bBatch == 0 && aBatch == m * aRow && cBatch == m * ldc && all <= Integer.MAX_VALUE) {
            f32((int) all, n, k, a, aRow, aCol, b, bRow, bCol, c, ldc, bias, accumulate);
            return;
        }
        GemmCall first = new GemmCall(m, n, k, a, aRow, aCol, DType.F32, b, bRow, bCol, c, ldc, bias, accumulate);
        long products = first.products();
        if (products > LARGE) {
            for (int i = 0; i < batch; i++) {
                run(item(first, i, aBatch, bBatch, cBatch));
            }
            return;
        }
        long some = Math.max(1, TASK / Math.max(1, products));
        Workers.ranges(batch, some, (from, to) -> {
            for (long i = from; i < to; i++) {
                run(item(first, i, aBatch, bBatch, cBatch));
            }
        });
    }

    private static GemmCall item(GemmCall first, long i, long aBatch, long bBatch, long cBatch) {
        return first.at(
                first.a() + i * aBatch * Float.BYTES,
                first.b() + i * bBatch * Float.BYTES,
                first.c() + i * cBatch * Float.BYTES);
    }

    /** Runs a product that was described before, as often as wanted. */
    static void run(GemmCall g) {
        run(g, DType.F32);
    }

    /** As {@link #run(GemmCall)}, where all numbers of A have room in {@code values}: F32, BF16 or F16. */
    static void run(GemmCall g, DType values) {
        if (!Fma.inHardware()) {
            GemmReference.run(g);
        } else if (Gemv.serves(g)) {
            Gemv.run(g);
        } else if (AmxMachine.serves(g.type(), g.m(), g.n(), g.k())) {
            AmxMachine.run(g, values);
        } else if (MachineCode.isUsed() && g.products() > 0) {
            GemmMachine.run(g);
        } else {
            DRIVER.run(g);
        }
    }
}
