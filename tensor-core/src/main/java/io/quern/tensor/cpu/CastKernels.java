package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.CastCode;
import io.quern.tensor.cpu.x86.CodeTable;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.quant.Blocks;
import java.lang.foreign.MemorySegment;

/**
 * Conversions between dtypes over packed memory, with one rounding to nearest even. What machine code does not do
 * goes through heap arrays of a few thousand elements, in plain loops: C2 makes conversion instructions of them, among them
 * those of F16, which the Vector API does not have.
 */
final class CastKernels {
    /** A multiple of the blocks of quantised types. */
    private static final int BLOCK = 2048;

    private static final int TYPES = DType.values().length;

    /** Machine code by the types from and to. */
    private static final CodeTable CODES = new CodeTable(TYPES * TYPES);

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
            Buffers buffers = Buffers.take();
            for (long i = first; i < end; i += BLOCK) {
                int n = (int) Math.min(BLOCK, end - i);
                block(source, f + source.bytes(i), target, t + target.bytes(i), n, buffers);
            }
            Buffers.give(buffers);
        });
    }

    /** Whether there is machine code for a conversion. */
    static boolean isInCode(DType from, DType to) {
        return CastCode.has(from, to) && MachineCode.isUsed();
    }

    private static MemorySegment code(DType from, DType to) {
        if (!isInCode(from, to)) {
            return null;
        }
        int at = from.ordinal() * TYPES + to.ordinal();
        MemorySegment code = CODES.get(at);
        return code != null ? code : CODES.write(at, () -> CastCode.install(from, to));
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

    /** Heap arrays that a task uses for each of its blocks. */
    static final class Buffers {
        private static final FreeList<Buffers> FREE = new FreeList<>(Buffers::new);

        private final float[] floats = new float[BLOCK];
        private final short[] halves = new short[BLOCK];
        private byte[] blocks;
        private double[] doubles;
        private int[] ints;

        private Buffers() {}

        static Buffers take() {
            return FREE.take();
        }

        static void give(Buffers buffers) {
            FREE.give(buffers);
        }

        private byte[] blocks() {
            return blocks == null
                    ? blocks = new byte[BLOCK / DType.Q8_0.blockSize() * DType.Q8_0.blockBytes()]
                    : blocks;
        }

        private double[] doubles() {
            return doubles == null ? doubles = new double[BLOCK] : doubles;
        }

        private int[] ints() {
            return ints == null ? ints = new int[BLOCK] : ints;
        }
    }

    /** Converts {@code n} elements, up to {@link #BLOCK}, at one address to those at another. */
    static void block(DType source, long from, DType target, long to, int n, Buffers b) {
        MemorySegment code = code(source, target);
        if (code != null) {
            NativeCall.call(code, from, to, n, 0, 0, 0);
        } else if (source == target) {
            OffHeap.copy(from, to, source.bytes(n));
        } else if (target.isQuantized()) {
            quantize(source, from, target, to, n, b);
        } else if (source == DType.F64) {
            OffHeap.read(from, b.doubles(), 0, n);
            fromDoubles(b, target, to, n);
        } else if (source == DType.I32) {
            OffHeap.read(from, b.ints(), 0, n);
            fromInts(b, target, to, n);
        } else {
            readFloats(source, from, b, n);
            writeFloats(b, target, to, n);
        }
    }

    private static void readFloats(DType source, long from, Buffers b, int n) {
        if (source == DType.F32) {
            OffHeap.read(from, b.floats, 0, n);
            return;
        }
        if (source.isQuantized()) {
            OffHeap.read(from, b.blocks(), 0, (int) source.bytes(n));
            Blocks.dequantize(source, b.blocks, 0, n, b.floats, 0);
            return;
        }
        OffHeap.read(from, b.halves, 0, n);
        if (source == DType.F16) {
            fromF16(b.halves, b.floats, n);
        } else {
            fromBf16(b.halves, b.floats, n);
        }
    }

    private static void writeFloats(Buffers b, DType target, long to, int n) {
        switch (target) {
            case F32 -> OffHeap.write(b.floats, 0, to, n);
            case F16 -> {
                toF16(b.floats, b.halves, n);
                OffHeap.write(b.halves, 0, to, n);
            }
            case BF16 -> {
                toBf16(b.floats, b.halves, n);
                OffHeap.write(b.halves, 0, to, n);
            }
            case F64 -> {
                toDoubles(b.floats, b.doubles(), n);
                OffHeap.write(b.doubles, 0, to, n);
            }
            case I32 -> {
                toInts(b.floats, b.ints(), n);
                OffHeap.write(b.ints, 0, to, n);
            }
            case Q8_0, Q4_0, Q4_K, Q6_K -> {
                Blocks.quantize(target, b.floats, 0, n, b.blocks(), 0);
                OffHeap.write(b.blocks, 0, to, (int) target.bytes(n));
            }
        }
    }

    /** Whole blocks, by way of floats. */
    private static void quantize(DType source, long from, DType target, long to, int n, Buffers b) {
        switch (source) {
            case F64 -> {
                OffHeap.read(from, b.doubles(), 0, n);
                for (int i = 0; i < n; i++) {
                    b.floats[i] = (float) b.doubles[i];
                }
            }
            case I32 -> {
                OffHeap.read(from, b.ints(), 0, n);
                for (int i = 0; i < n; i++) {
                    b.floats[i] = b.ints[i];
                }
            }
            default -> readFloats(source, from, b, n);
        }
        writeFloats(b, target, to, n);
    }

    private static void fromF16(short[] bits, float[] x, int n) {
        for (int i = 0; i < n; i++) {
            x[i] = Float.float16ToFloat(bits[i]);
        }
    }

    private static void toF16(float[] x, short[] bits, int n) {
        for (int i = 0; i < n; i++) {
            bits[i] = Float.floatToFloat16(x[i]);
        }
    }

    private static void fromBf16(short[] bits, float[] x, int n) {
        for (int i = 0; i < n; i++) {
            x[i] = Float.intBitsToFloat(bits[i] << 16);
        }
    }

    /** To nearest even; every NaN becomes the quiet one. */
    private static void toBf16(float[] x, short[] bits, int n) {
        for (int i = 0; i < n; i++) {
            int b = Float.floatToRawIntBits(x[i]);
            int nan = 0x7F800000 - (b & 0x7FFFFFFF) >> 31; // all ones, or 0
            int rounded = b + 0x7FFF + (b >>> 16 & 1) >>> 16;
            bits[i] = (short) (rounded & ~nan | 0x7FC0 & nan);
        }
    }

    private static void toDoubles(float[] x, double[] y, int n) {
        for (int i = 0; i < n; i++) {
            y[i] = x[i];
        }
    }

    private static void toInts(float[] x, int[] y, int n) {
        for (int i = 0; i < n; i++) {
            y[i] = (int) x[i];
        }
    }

    private static void fromDoubles(Buffers b, DType target, long to, int n) {
        double[] x = b.doubles;
        if (target == DType.F32) {
            for (int i = 0; i < n; i++) {
                b.floats[i] = (float) x[i];
            }
            OffHeap.write(b.floats, 0, to, n);
        } else {
            each(x, target, to, n);
        }
    }

    private static void fromInts(Buffers b, DType target, long to, int n) {
        int[] x = b.ints;
        if (target == DType.F32) {
            for (int i = 0; i < n; i++) {
                b.floats[i] = x[i];
            }
            OffHeap.write(b.floats, 0, to, n);
        } else {
            for (int i = 0; i < n; i++) {
                b.doubles()[i] = x[i];
            }
            each(b.doubles, target, to, n);
        }
    }

    /** From F64 to 16 bits; by way of F32 it would round twice. */
    private static void each(double[] x, DType target, long to, int n) {
        for (int i = 0; i < n; i++) {
            ScalarMemory.set(target, to + (long) i * target.bytes(), x[i]);
        }
    }
}
