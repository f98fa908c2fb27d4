package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Makes the operands of what {@code bench kernels} measures, in the current scope. */
record BenchOperands(Device device, DType dtype) {
    /** Then the numbers repeat: drawing them takes longer than copying. A prime, so that no two rows are the same. */
    private static final int PERIOD = 65_537;

    /** Spread evenly over [-1, 1): normal numbers would take longer to draw, and no kernel here minds. */
    Tensor numbers(int... dims) {
        return numbers(0, dims);
    }

    /** Spread evenly over [2, 4). */
    Tensor positive(int... dims) {
        return numbers(3, dims);
    }

    /** F32, or F64 beside F64: what operations keep about rows. */
    Tensor statistics(int... dims) {
        return new BenchOperands(device, dtype == DType.F64 ? DType.F64 : DType.F32).positive(dims);
    }

    private Tensor numbers(float centre, int... dims) {
        // Not by way of the heap: collecting such arrays would take a core from what is measured.
        Tensor t = Tensor.empty(Device.CPU, DType.F32, Shape.of(dims));
        MemorySegment x = t.data();
        long drawn = Math.min(t.size(), PERIOD);
        int state = 12345;
        for (long i = 0; i < drawn; i++) {
            state = state * 1664525 + 1013904223;
            x.setAtIndex(ValueLayout.JAVA_FLOAT, i, centre + (state >> 8) * 0x1p-23f);
        }
        for (long done = Float.BYTES * drawn; done < x.byteSize(); ) {
            long more = Math.min(Float.BYTES * drawn, x.byteSize() - done);
            MemorySegment.copy(x, 0, x, done, more);
            done += more;
        }
        return t.cast(dtype).to(device);
    }

    Tensor zeros(int... dims) {
        return Tensor.zeros(device, dtype, Shape.of(dims));
    }

    Tensor ids(int bound, int n) {
        int[] x = new int[n];
        for (int i = 0; i < n; i++) {
            x[i] = (int) Long.remainderUnsigned(Rng.bits(1, 1, i), bound);
        }
        return Tensor.of(x, n).to(device);
    }
}
