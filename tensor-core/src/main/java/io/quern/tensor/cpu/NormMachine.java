package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.cpu.x86.NormCode;
import io.quern.tensor.cpu.x86.NormGradCode;
import java.lang.foreign.MemorySegment;

/** The norms of {@link NormKernels} in machine code: one call for a range of rows. */
final class NormMachine {
    private NormMachine() {}

    /**
     * Layer norms of rows of x, or of x + added, which becomes {@code sum}.
     *
     * @param added null for none, as {@code sum}
     * @param means null for RMS norms, whose bias is not read
     */
    static Workers.RangeTask forward(
            Tensor x,
            Tensor added,
            Tensor sum,
            long weight,
            long bias,
            double eps,
            Tensor y,
            Tensor means,
            Tensor rstds) {
        int c = x.dim(-1);
        MemorySegment code = RowCode.norm(means == null, added != null);
        return (from, to) -> {
            long first = 4 * from * c;
            long p = NativeScratch.take(NormCode.PARAMETERS);
            OffHeap.setLong(p + NormCode.X, x.address() + first);
            OffHeap.setLong(p + NormCode.ADDED, added == null ? 0 : added.address() + first);
            OffHeap.setLong(p + NormCode.SUM, added == null ? 0 : sum.address() + first);
            OffHeap.setLong(p + NormCode.Y, y.address() + first);
            OffHeap.setLong(p + NormCode.WEIGHT, weight);
            OffHeap.setLong(p + NormCode.BIAS, bias);
            OffHeap.setLong(p + NormCode.MEANS, means == null ? 0 : means.address() + 4 * from);
            OffHeap.setLong(p + NormCode.RSTDS, rstds.address() + 4 * from);
            OffHeap.setLong(p + NormCode.ROWS, to - from);
            OffHeap.setLong(p + NormCode.COLUMNS, c);
            OffHeap.setDouble(p + NormCode.COUNT, c);
            OffHeap.setDouble(p + NormCode.EPSILON, eps);
            NativeCall.call(code, p, 0, 0, 0, 0, 0);
            NativeScratch.give(p, NormCode.PARAMETERS);
        };
    }

    /**
     * The gradients of rows {@code from} to {@code to - 1}; see {@link NormGradCode}.
     *
     * @param means 0 for RMS norms, as {@code dBias}
     * @param other 0 for none
     */
    static void gradient(
            long x,
            long means,
            long rstds,
            long weight,
            long dy,
            long other,
            long dx,
            long dWeight,
            long dBias,
            long from,
            long to,
            int c) {
        long first = 4 * from * c;
        long p = NativeScratch.take(NormGradCode.PARAMETERS);
        OffHeap.setLong(p + NormGradCode.X, x + first);
        OffHeap.setLong(p + NormGradCode.DY, dy + first);
        OffHeap.setLong(p + NormGradCode.DX, dx + first);
        OffHeap.setLong(p + NormGradCode.WEIGHT, weight);
        OffHeap.setLong(p + NormGradCode.OTHER, other == 0 ? 0 : other + first);
        OffHeap.setLong(p + NormGradCode.D_WEIGHT, dWeight);
        OffHeap.setLong(p + NormGradCode.D_BIAS, dBias);
        OffHeap.setLong(p + NormGradCode.MEANS, means == 0 ? 0 : means + 4 * from);
        OffHeap.setLong(p + NormGradCode.RSTDS, rstds + 4 * from);
        OffHeap.setLong(p + NormGradCode.ROWS, to - from);
        OffHeap.setLong(p + NormGradCode.COLUMNS, c);
        OffHeap.setDouble(p + NormGradCode.COUNT, c);
        NativeCall.call(RowCode.normGradient(means == 0, other != 0), p, 0, 0, 0, 0, 0);
        NativeScratch.give(p, NormGradCode.PARAMETERS);
    }
}
