package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.cpu.x86.SoftmaxCode;
import java.lang.foreign.MemorySegment;

/** The rows of {@link SoftmaxKernels} and {@link LossKernels} in machine code: one call, or two, for a range of rows. */
final class SoftmaxMachine {
    private SoftmaxMachine() {}

    static void softmax(Tensor in, boolean log, Tensor out) {
        int n = in.dim(-1);
        long x = in.address();
        long y = out.address();
        SoftmaxKernels.forRows(in, (from, to) -> {
            long first = 4 * from * n;
            if (log) {
                logarithms(x + first, y + first, to - from, n);
            } else {
                NativeCall.call(RowCode.softmax(), x + first, to - from, n, y + first, 0, 0);
            }
        });
    }

    private static void logarithms(long x, long y, long rows, int n) {
        long bytes = rows * SoftmaxCode.STATISTICS;
        long numbers = NativeScratch.take(bytes);
        statistics(x, 4L * n, rows, n, numbers);
        for (long at = numbers; at < numbers + bytes; at += SoftmaxCode.STATISTICS) {
            double max = OffHeap.getDouble(at);
            double log = Math.log(OffHeap.getDouble(at + 8));
            OffHeap.setFloat(at, (float) max);
            OffHeap.setFloat(at + 4, (float) log);
        }
        NativeCall.call(RowCode.logarithms(), x, rows, n, y, numbers, 0);
        NativeScratch.give(numbers, bytes);
    }

    /** See {@link SoftmaxCode#statistics}. */
    static void statistics(long x, long stride, long rows, int n, long out) {
        NativeCall.call(RowCode.statistics(), x, rows, n, stride, out, 0);
    }

    static void gradient(Tensor y, Tensor dy, boolean log, Tensor dx) {
        int n = y.dim(-1);
        MemorySegment code = RowCode.softmaxGradient(log);
        SoftmaxKernels.forRows(y, (from, to) -> {
            long first = 4 * from * n;
            NativeCall.call(code, y.address() + first, to - from, n, dy.address() + first, dx.address() + first, 0);
        });
    }
}
