package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Operations in place but AdamW, for which see {@link AdamKernels}. */
final class UpdateKernels {
    private UpdateKernels() {}

    /** Every element = value, any dtype and strides. */
    static void fill(Tensor t, double value) {
        int bytes = t.dtype().bytes();
        Runs runs = Runs.of(t.shape(), t.strides());
        long stride = runs.innerStride(0) * bytes;
        long at = t.address();
        DType dtype = t.dtype();
        runs.parallel(1 << 18, (o, n) -> {
            long first = at + o[0] * bytes;
            if (stride == bytes) {
                fillRun(dtype, first, n, value);
            } else {
                for (int i = 0; i < n; i++) {
                    ScalarMemory.set(dtype, first + i * stride, value);
                }
            }
        });
    }

    /** Writes one element and doubles what is written. */
    private static void fillRun(DType dtype, long at, int n, double value) {
        long bytes = (long) n * dtype.bytes();
        ScalarMemory.set(dtype, at, value);
        if (value == 0 && 1 / value > 0) {
            OffHeap.zero(at, bytes);
            return;
        }
        for (long done = dtype.bytes(); done < bytes; done *= 2) {
            OffHeap.copy(at, at + done, Math.min(done, bytes - done));
        }
    }

    /** target += factor * source in F32, any strides. */
    static void accumulate(Tensor target, Tensor source, float factor) {
        if (target.size() == 0) {
            return; // strides of nothing can be anything, and packing would not mend them
        }
        Runs runs = Runs.of(target.shape(), target.strides(), source.strides());
        if (runs.innerStride(0) == 1 && runs.innerStride(1) == 1) {
            long to = target.address();
            long from = source.address();
            runs.parallel(ElementwiseKernels.CHUNK, (o, n) -> accumulate(to + 4 * o[0], from + 4 * o[1], factor, n));
        } else if (runs.innerStride(1) != 1 && !source.isPacked()) {
            try (Tensor packed = Tensor.empty(Device.CPU, DType.F32, source.shape())) {
                CopyKernels.copy(source, packed);
                accumulate(target, packed, factor);
            }
        } else {
            try (Tensor packed = Tensor.empty(Device.CPU, DType.F32, target.shape())) {
                CopyKernels.copy(target, packed);
                accumulate(packed, source, factor);
                CopyKernels.copy(packed, target);
            }
        }
    }

    private static void accumulate(long to, long from, float factor, int n) {
        if (MachineCode.isUsed()) {
            NativeCall.call(RowCode.accumulate(), to, from, to, n, 1, Float.floatToRawIntBits(factor));
            return;
        }
        FloatVector f = FloatVector.broadcast(F, factor);
        int i = 0;
        for (; i <= n - L; i += L) {
            load(from + 4L * i).fma(f, load(to + 4L * i)).intoMemorySegment(ALL, to + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> rest = Lanes.first(n - i);
            FloatVector v = load(from + 4L * i, rest).fma(f, load(to + 4L * i, rest));
            v.intoMemorySegment(ALL, to + 4L * i, ORDER, rest);
        }
    }
}
