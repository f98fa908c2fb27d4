package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.quant.Blocks;

/**
 * Tensor memory as row-major {@code double[]} and back. Every F32, BF16, F16 and I32 is exact in a double; writing rounds
 * to nearest even, and towards zero into I32.
 */
final class ScalarMemory {
    private ScalarMemory() {}

    /** All elements in logical order, whatever the strides. */
    static double[] read(Tensor t) {
        double[] x = new double[Math.toIntExact(t.size())];
        if (x.length == 0) {
            return x;
        }
        if (t.isPacked()) {
            readRun(t.dtype(), t.address(), x);
            return x;
        }
        if (t.dtype().isQuantized()) {
            return transposed(read(t.transpose(0, 1)), t.dim(1), t.dim(0));
        }
        int bytes = t.dtype().bytes();
        long[] rows = rowOffsets(t);
        int n = x.length / rows.length;
        long stride = t.stride(-1);
        for (int r = 0; r < rows.length; r++) {
            for (int j = 0; j < n; j++) {
                x[r * n + j] = get(t.dtype(), t.address() + (rows[r] + j * stride) * bytes);
            }
        }
        return x;
    }

    /** Columns of a row-major matrix one after the other. */
    private static double[] transposed(double[] x, int rows, int columns) {
        double[] y = new double[x.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                y[j * rows + i] = x[i * columns + j];
            }
        }
        return y;
    }

    /** All elements, or null for an absent operand. */
    static double[] readOrNull(Tensor t) {
        return t == null ? null : read(t);
    }

    /** All elements of a packed I32 tensor, or null for an absent operand. */
    static int[] readInts(Tensor t) {
        if (t == null) {
            return null;
        }
        int[] x = new int[Math.toIntExact(t.size())];
        OffHeap.read(t.address(), x, 0, x.length);
        return x;
    }

    /** Replaces all elements, whatever the strides. */
    static void write(double[] x, Tensor t) {
        if (x.length == 0) {
            return;
        }
        if (t.isPacked()) {
            writeRun(t.dtype(), x, t.address());
            return;
        }
        int bytes = t.dtype().bytes();
        long[] rows = rowOffsets(t);
        int n = x.length / rows.length;
        long stride = t.stride(-1);
        for (int r = 0; r < rows.length; r++) {
            for (int j = 0; j < n; j++) {
                set(t.dtype(), t.address() + (rows[r] + j * stride) * bytes, x[r * n + j]);
            }
        }
    }

    /** Offset, in elements, of every row (run of the innermost dimension) of a tensor that is not empty. */
    static long[] rowOffsets(Tensor t) {
        int rank = t.shape().rank();
        if (rank == 0) {
            return new long[1];
        }
        long[] offsets = new long[Math.toIntExact(t.size() / t.dim(-1))];
        int[] at = new int[rank - 1];
        for (int r = 0; r < offsets.length; r++) {
            long offset = 0;
            for (int i = 0; i < at.length; i++) {
                offset += at[i] * t.strides()[i];
            }
            offsets[r] = offset;
            next(at, t.shape());
        }
        return offsets;
    }

    /** Moves an index over the outer dimensions of a shape to the next one in row-major order. */
    private static void next(int[] at, Shape shape) {
        for (int i = at.length - 1; i >= 0; i--) {
            if (++at[i] < shape.dim(i)) {
                return;
            }
            at[i] = 0;
        }
    }

    /**
     * For every element of {@code out} in order, the position of the element of a packed tensor of shape {@code in} that
     * broadcasts to it; with the roles exchanged, the element that a reduction adds it to.
     */
    static int[] broadcastIndex(Shape in, Shape out) {
        int rank = out.rank();
        long[] strides = new long[rank];
        for (int i = 1; i <= in.rank(); i++) {
            strides[rank - i] = in.dim(-i) == 1 ? 0 : in.strides()[in.rank() - i];
        }
        int[] index = new int[Math.toIntExact(out.size())];
        int[] at = new int[rank];
        for (int i = 0; i < index.length; i++) {
            long p = 0;
            for (int d = 0; d < rank; d++) {
                p += at[d] * strides[d];
            }
            index[i] = (int) p;
            next(at, out);
        }
        return index;
    }

    private static void readRun(DType dtype, long address, double[] x) {
        switch (dtype) {
            case F64 -> OffHeap.read(address, x, 0, x.length);
            case F32 -> {
                float[] f = new float[x.length];
                OffHeap.read(address, f, 0, f.length);
                for (int i = 0; i < x.length; i++) {
                    x[i] = f[i];
                }
            }
            case I32 -> {
                int[] f = new int[x.length];
                OffHeap.read(address, f, 0, f.length);
                for (int i = 0; i < x.length; i++) {
                    x[i] = f[i];
                }
            }
            case BF16, F16 -> {
                short[] f = new short[x.length];
                OffHeap.read(address, f, 0, f.length);
                for (int i = 0; i < x.length; i++) {
                    x[i] = dtype == DType.F16 ? Float.float16ToFloat(f[i]) : fromBf16(f[i]);
                }
            }
            case Q8_0, Q4_0, Q4_K, Q6_K -> {
                byte[] blocks = new byte[Math.toIntExact(dtype.bytes(x.length))];
                float[] f = new float[x.length];
                OffHeap.read(address, blocks, 0, blocks.length);
                Blocks.dequantize(dtype, blocks, 0, x.length, f, 0);
                for (int i = 0; i < x.length; i++) {
                    x[i] = f[i];
                }
            }
        }
    }

    private static void writeRun(DType dtype, double[] x, long address) {
        switch (dtype) {
            case F64 -> OffHeap.write(x, 0, address, x.length);
            case F32 -> {
                float[] f = new float[x.length];
                for (int i = 0; i < x.length; i++) {
                    f[i] = (float) x[i];
                }
                OffHeap.write(f, 0, address, f.length);
            }
            case I32 -> {
                int[] f = new int[x.length];
                for (int i = 0; i < x.length; i++) {
                    f[i] = (int) x[i];
                }
                OffHeap.write(f, 0, address, f.length);
            }
            case BF16, F16 -> {
                short[] f = new short[x.length];
                for (int i = 0; i < x.length; i++) {
                    f[i] = dtype == DType.F16 ? toF16(x[i]) : toBf16(x[i]);
                }
                OffHeap.write(f, 0, address, f.length);
            }
            case Q8_0, Q4_0, Q4_K, Q6_K -> {
                float[] f = new float[x.length];
                for (int i = 0; i < x.length; i++) {
                    f[i] = (float) x[i];
                }
                byte[] blocks = new byte[Math.toIntExact(dtype.bytes(x.length))];
                Blocks.quantize(dtype, f, 0, f.length, blocks, 0);
                OffHeap.write(blocks, 0, address, blocks.length);
            }
        }
    }

    static double get(DType dtype, long address) {
        return switch (dtype) {
            case F32 -> OffHeap.getFloat(address);
            case F64 -> OffHeap.getDouble(address);
            case BF16 -> fromBf16(OffHeap.getShort(address));
            case F16 -> Float.float16ToFloat(OffHeap.getShort(address));
            case I32 -> OffHeap.getInt(address);
            case Q8_0, Q4_0, Q4_K, Q6_K -> throw new IllegalStateException(dtype + " has no single elements");
        };
    }

    static void set(DType dtype, long address, double value) {
        switch (dtype) {
            case F32 -> OffHeap.setFloat(address, (float) value);
            case F64 -> OffHeap.setDouble(address, value);
            case BF16 -> OffHeap.setShort(address, toBf16(value));
            case F16 -> OffHeap.setShort(address, toF16(value));
            case I32 -> OffHeap.setInt(address, (int) value);
            case Q8_0, Q4_0, Q4_K, Q6_K -> throw new IllegalStateException(dtype + " has no single elements");
        }
    }

    static float fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    static short toBf16(double value) {
        if (Double.isNaN(value)) {
            return 0x7FC0;
        }
        int bits = Float.floatToRawIntBits(toOddFloat(value));
        return (short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16);
    }

    static short toF16(double value) {
        return Float.floatToFloat16(toOddFloat(value));
    }

    /**
     * The float towards zero, with its last bit set if that is not exact ("round to odd"). Rounding it again to fewer bits
     * gives what rounding the double at once would give.
     */
    private static float toOddFloat(double value) {
        float f = (float) value;
        if (f == value || Float.isNaN(f)) {
            return f;
        }
        int bits = Float.floatToRawIntBits(f);
        if (Math.abs((double) f) > Math.abs(value)) {
            bits--;
        }
        return Float.intBitsToFloat(bits | 1);
    }
}
