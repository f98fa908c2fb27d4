package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;

/**
 * Conversions between dtypes over packed memory, with one rounding to nearest even. They go through heap arrays of a few
 * thousand elements: C2 turns plain loops over arrays into conversion instructions, among them those of F16, which the
 * Vector API does not have.
 */
final class CastKernels {
    private static final int BLOCK = 2048;

    private CastKernels() {}

    static boolean isHalf(DType t) {
        return t == DType.BF16 || t == DType.F16;
    }

    /** Converts packed to packed. */
    static void cast(Tensor from, Tensor to) {
        long f = from.address();
        long t = to.address();
        DType source = from.dtype();
        DType target = to.dtype();
        Workers.ranges(to.size(), ElementwiseKernels.CHUNK, (first, end) -> {
            for (long i = first; i < end; i += BLOCK) {
                int n = (int) Math.min(BLOCK, end - i);
                block(source, f + i * source.bytes(), target, t + i * target.bytes(), n);
            }
        });
    }

    /** A packed F32 copy of a tensor of any strides, which the caller closes. */
    static Tensor widened(Tensor t) {
        Tensor wide = Tensor.empty(Device.CPU, DType.F32, t.shape());
        if (t.isPacked()) {
            cast(t, wide);
        } else {
            try (Tensor packed = Tensor.empty(Device.CPU, t.dtype(), t.shape())) {
                CopyKernels.copy(t, packed);
                cast(packed, wide);
            }
        }
        return wide;
    }

    /** Rounds a packed F32 tensor into one of any dtype and strides. */
    static void narrow(Tensor wide, Tensor to) {
        if (to.isPacked()) {
            cast(wide, to);
        } else {
            try (Tensor packed = Tensor.empty(Device.CPU, to.dtype(), to.shape())) {
                cast(wide, packed);
                CopyKernels.copy(packed, to);
            }
        }
    }

    /** Converts {@code n} elements at one address to those at another; up to {@link #BLOCK}. */
    static void block(DType source, long from, DType target, long to, int n) {
        if (source == target) {
            OffHeap.copy(from, to, (long) n * source.bytes());
        } else if (source == DType.F64) {
            fromDoubles(from, target, to, n);
        } else if (source == DType.I32) {
            fromInts(from, target, to, n);
        } else {
            float[] x = new float[n];
            readFloats(source, from, x, n);
            switch (target) {
                case F32 -> OffHeap.write(x, 0, to, n);
                case BF16, F16 -> writeHalves(target, x, to, n);
                case F64 -> toDoubles(x, to, n);
                case I32 -> toInts(x, to, n);
            }
        }
    }

    /** Reads F32, BF16 or F16. */
    static void readFloats(DType source, long from, float[] x, int n) {
        if (source == DType.F32) {
            OffHeap.read(from, x, 0, n);
            return;
        }
        short[] bits = new short[n];
        OffHeap.read(from, bits, 0, n);
        if (source == DType.F16) {
            for (int i = 0; i < n; i++) {
                x[i] = Float.float16ToFloat(bits[i]);
            }
        } else {
            for (int i = 0; i < n; i++) {
                x[i] = Float.intBitsToFloat(bits[i] << 16);
            }
        }
    }

    /** Writes BF16 or F16. */
    static void writeHalves(DType target, float[] x, long to, int n) {
        short[] bits = new short[n];
        if (target == DType.F16) {
            for (int i = 0; i < n; i++) {
                bits[i] = Float.floatToFloat16(x[i]);
            }
        } else {
            toBf16(x, bits, n);
        }
        OffHeap.write(bits, 0, to, n);
    }

    /** Without a branch, so that the loop becomes vectors; every NaN becomes the quiet one. */
    private static void toBf16(float[] x, short[] bits, int n) {
        for (int i = 0; i < n; i++) {
            int b = Float.floatToRawIntBits(x[i]);
            int nan = (0x7F800000 - (b & 0x7FFFFFFF)) >> 31;
            int rounded = (b + 0x7FFF + (b >>> 16 & 1)) >>> 16;
            bits[i] = (short) (rounded & ~nan | 0x7FC0 & nan);
        }
    }

    private static void toDoubles(float[] x, long to, int n) {
        double[] y = new double[n];
        for (int i = 0; i < n; i++) {
            y[i] = x[i];
        }
        OffHeap.write(y, 0, to, n);
    }

    private static void toInts(float[] x, long to, int n) {
        int[] y = new int[n];
        for (int i = 0; i < n; i++) {
            y[i] = (int) x[i];
        }
        OffHeap.write(y, 0, to, n);
    }

    private static void fromDoubles(long from, DType target, long to, int n) {
        double[] x = new double[n];
        OffHeap.read(from, x, 0, n);
        if (target == DType.F32) {
            float[] y = new float[n];
            for (int i = 0; i < n; i++) {
                y[i] = (float) x[i];
            }
            OffHeap.write(y, 0, to, n);
        } else if (target == DType.I32) {
            int[] y = new int[n];
            for (int i = 0; i < n; i++) {
                y[i] = (int) x[i];
            }
            OffHeap.write(y, 0, to, n);
        } else {
            each(x, target, to, n);
        }
    }

    private static void fromInts(long from, DType target, long to, int n) {
        int[] x = new int[n];
        OffHeap.read(from, x, 0, n);
        if (target == DType.F32) {
            float[] y = new float[n];
            for (int i = 0; i < n; i++) {
                y[i] = x[i];
            }
            OffHeap.write(y, 0, to, n);
        } else {
            double[] y = new double[n];
            for (int i = 0; i < n; i++) {
                y[i] = x[i];
            }
            each(y, target, to, n);
        }
    }

    /** From F64 to 16 bits; by way of F32 it would round twice. */
    private static void each(double[] x, DType target, long to, int n) {
        for (int i = 0; i < n; i++) {
            ScalarMemory.set(target, to + (long) i * target.bytes(), x[i]);
        }
    }
}
