package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.quant.Blocks;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Reads rows of F16 and quantised matrices off-heap into floats, or multiplies by them. The rows are first copied to the
 * heap as they are, as words of 16 bits, of which all blocks are made up: vector loops over heap arrays compile more
 * reliably, and scales are plain elements. Those are gathered and widened together, then come the numbers, a vector at a
 * time. Equals {@link Blocks} but for the roundings that fused multiply-adds save.
 *
 * <p>Holds scratch arrays: {@link #take} one for a task and {@link #give} it back.
 */
final class Dequantizer {
    private static final FreeList<Dequantizer> FREE = new FreeList<>(Dequantizer::new);

    private static final VectorSpecies<Float> S = Lanes.F;
    private static final int L = Lanes.L;

    /** There are no vectors of 4 bytes; 128-bit machines take the scalar way. */
    private static final boolean FAST = L >= 8;

    /** As many bytes as lanes, two in each word. */
    private static final VectorSpecies<Short> W =
            FAST ? VectorSpecies.of(short.class, VectorShape.forBitSize(8 * L)) : ShortVector.SPECIES_64;

    /** Scales and minima of a block of Q4_K, and scales of a block of Q6_K. */
    private static final int STEPS = 16;

    /** The lanes of minima, where a vector holds scales and minima of Q4_K. */
    private static final VectorMask<Float> MINIMA = VectorMask.fromLong(S, L == STEPS ? 0xff00 : 0);

    private short[] words = new short[0]; // the rows as they are
    private short[] halves = new short[0];
    private float[] scales = new float[0];
    private float[] minima = new float[0]; // of Q4_0
    private float[] steps = new float[0];
    private int[] bits = new int[0];
    private byte[] bytes = new byte[0];
    private float[] blocks = new float[0];

    private Dequantizer() {}

    static Dequantizer take() {
        return FREE.take();
    }

    static void give(Dequantizer d) {
        FREE.give(d);
    }

    /**
     * Reads the numbers {@code first} to {@code first + count - 1} of {@code rows} rows, {@code step} bytes apart, which
     * need not be whole blocks, to places {@code pitch} floats apart.
     */
    void rows(DType type, long address, long step, int rows, int first, int count, float[] to, int at, int pitch) {
        int size = type.blockSize();
        int skip = first % size;
        long from = address + (first / size) * (long) type.blockBytes();
        if (skip == 0 && count % size == 0) {
            rows(type, from, step, rows, count / size, to, at, pitch);
            return;
        }
        int covering = (skip + count + size - 1) / size;
        if (blocks.length < covering * size) {
            blocks = new float[covering * size];
        }
        for (int r = 0; r < rows; r++) {
            rows(type, from + r * step, 0, 1, covering, blocks, 0, 0);
            System.arraycopy(blocks, skip, to, at + r * pitch, count);
        }
    }

    /** Reads {@code count} whole blocks of each row. */
    private void rows(DType type, long address, long step, int rows, int count, float[] to, int at, int pitch) {
        int length = count * type.blockSize();
        if (!FAST && type.isQuantized()) {
            scalar(type, address, step, rows, length, to, at, pitch);
            return;
        }
        load(type, address, step, rows, count);
        if (type == DType.F16 && pitch == count) {
            GemmLoad.widen(words, 0, rows * count, to, at);
            return;
        }
        if (type == DType.F16) {
            for (int r = 0; r < rows; r++) {
                GemmLoad.widen(words, r * count, count, to, at + r * pitch);
            }
            return;
        }
        int size = count * (type.blockBytes() / 2);
        for (int r = 0; r < rows; r++) {
            int from = r * size;
            int place = at + r * pitch;
            switch (type) {
                case Q8_0 -> q8(count, words, from, scales, r * count, to, place);
                case Q4_0 -> q4(count, words, from, scales, minima, r * count, to, place);
                case Q4_K -> {
                    q4Bits(count, words, from + 2, bits);
                    q4Steps(count, bits, scales, 2 * r * count, steps);
                    q4k(4 * count, words, from + 8, steps, to, place);
                }
                case Q6_K -> {
                    q6Steps(count, words, from + 96, scales, r * count, steps);
                    q6k(2 * count, words, from, steps, to, place);
                }
                default -> throw new IllegalArgumentException(type + " is not a quantised type");
            }
        }
    }

    /** Whether {@link #dots} can multiply by rows of a type without writing them out as floats. */
    static boolean fuses(DType type) {
        return L == 16 && (type == DType.Q8_0 || type == DType.Q4_0);
    }

    /**
     * Multiplies a row of x by four rows of {@code count} blocks, {@code step} bytes apart: the lanes of the four sums.
     * The same products added in the same order as those of the rows in floats.
     */
    void dots(DType type, long address, long step, int count, float[] x, int at, float[] sums) {
        load(type, address, step, 4, count);
        int size = count * (type.blockBytes() / 2);
        for (int r = 0; r < 4; r += 2) {
            if (type == DType.Q8_0) {
                dotQ8(count, words, r * size, size, scales, r * count, x, at, sums, r * L);
            } else {
                dotQ4(count, words, r * size, size, scales, minima, r * count, x, at, sums, r * L);
            }
        }
    }

    private void scalar(DType type, long address, long step, int rows, int length, float[] to, int at, int pitch) {
        int size = Math.toIntExact(type.bytes(length));
        if (bytes.length < size) {
            bytes = new byte[size];
        }
        for (int r = 0; r < rows; r++) {
            OffHeap.read(address + r * step, bytes, 0, size);
            Blocks.dequantize(type, bytes, 0, length, to, at + r * pitch);
        }
    }

    private void load(DType type, long address, long step, int rows, int count) {
        int block = type.blockBytes() / 2;
        int size = count * block;
        if (words.length < rows * size) {
            words = new short[rows * size];
        }
        for (int r = 0; r < rows; r++) {
            OffHeap.read(address + r * step, words, r * size, size);
        }
        if (type != DType.F16) {
            scales(type, rows * count, block);
        }
    }

    private void scales(DType type, int count, int block) {
        int all = type == DType.Q4_K ? 2 * count : count;
        if (scales.length < all) {
            halves = new short[all];
            scales = new float[all];
            minima = new float[all];
            steps = new float[STEPS * count];
            bits = new int[4 * count];
        }
        if (type == DType.Q4_K) {
            gatherTwo(count, words, block, halves);
        } else {
            gather(count, words, type == DType.Q6_K ? block - 1 : 0, block, halves);
        }
        GemmLoad.widen(halves, 0, all, scales, 0);
        if (type == DType.Q4_0) {
            for (int i = 0; i < all; i++) {
                minima[i] = -8 * scales[i];
            }
        }
    }

    private static void gather(int count, short[] from, int at, int step, short[] to) {
        for (int b = 0; b < count; b++) {
            to[b] = from[at + b * step];
        }
    }

    private static void gatherTwo(int count, short[] from, int step, short[] to) {
        for (int b = 0; b < count; b++) {
            to[2 * b] = from[b * step];
            to[2 * b + 1] = from[b * step + 1];
        }
    }

    private static IntVector signed(short[] from, int at) {
        return (IntVector)
                ShortVector.fromArray(W, from, at).reinterpretAsBytes().convertShape(VectorOperators.B2I, Lanes.I, 0);
    }

    private static IntVector unsigned(short[] from, int at) {
        return (IntVector) ShortVector.fromArray(W, from, at)
                .reinterpretAsBytes()
                .convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.I, 0);
    }

    private static FloatVector floats(IntVector v) {
        return (FloatVector) v.convertShape(VectorOperators.I2F, S, 0);
    }

    private static FloatVector low(IntVector q) {
        return floats(q.and(15));
    }

    private static FloatVector high(IntVector q) {
        return floats(q.lanewise(VectorOperators.LSHR, 4));
    }

    private static void q8(int count, short[] from, int first, float[] scales, int scale, float[] to, int at) {
        for (int b = 0; b < count; b++) {
            FloatVector s = FloatVector.broadcast(S, scales[scale + b]);
            for (int i = 0; i < 32; i += L) {
                floats(signed(from, first + 17 * b + 1 + i / 2)).mul(s).intoArray(to, at + 32 * b + i);
            }
        }
    }

    /** Two rows of Q8_0, {@code step} words apart, times x. */
    private static void dotQ8(
            int count,
            short[] from,
            int first,
            int step,
            float[] scales,
            int scale,
            float[] x,
            int at,
            float[] sums,
            int to) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        for (int b = 0; b < count; b++) {
            FloatVector x0 = FloatVector.fromArray(S, x, at + 32 * b);
            FloatVector x1 = FloatVector.fromArray(S, x, at + 32 * b + 16);
            FloatVector d0 = FloatVector.broadcast(S, scales[scale + b]);
            FloatVector d1 = FloatVector.broadcast(S, scales[scale + count + b]);
            int place = first + 17 * b + 1;
            s0 = floats(signed(from, place)).mul(d0).fma(x0, s0);
            s0 = floats(signed(from, place + 8)).mul(d0).fma(x1, s0);
            s1 = floats(signed(from, place + step)).mul(d1).fma(x0, s1);
            s1 = floats(signed(from, place + step + 8)).mul(d1).fma(x1, s1);
        }
        s0.intoArray(sums, to);
        s1.intoArray(sums, to + L);
    }

    /** d (q - 8) as one rounding of d q - 8 d. */
    private static void q4(
            int count, short[] from, int first, float[] scales, float[] minima, int scale, float[] to, int at) {
        for (int b = 0; b < count; b++) {
            FloatVector s = FloatVector.broadcast(S, scales[scale + b]);
            FloatVector min = FloatVector.broadcast(S, minima[scale + b]);
            for (int i = 0; i < 16; i += L) {
                IntVector q = unsigned(from, first + 9 * b + 1 + i / 2);
                low(q).fma(s, min).intoArray(to, at + 32 * b + i);
                high(q).fma(s, min).intoArray(to, at + 32 * b + 16 + i);
            }
        }
    }

    /** Two rows of Q4_0, {@code step} words apart, times x. */
    private static void dotQ4(
            int count,
            short[] from,
            int first,
            int step,
            float[] scales,
            float[] minima,
            int scale,
            float[] x,
            int at,
            float[] sums,
            int to) {
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        for (int b = 0; b < count; b++) {
            FloatVector x0 = FloatVector.fromArray(S, x, at + 32 * b);
            FloatVector x1 = FloatVector.fromArray(S, x, at + 32 * b + 16);
            FloatVector d0 = FloatVector.broadcast(S, scales[scale + b]);
            FloatVector m0 = FloatVector.broadcast(S, minima[scale + b]);
            IntVector q0 = unsigned(from, first + 9 * b + 1);
            s0 = low(q0).fma(d0, m0).fma(x0, s0);
            s0 = high(q0).fma(d0, m0).fma(x1, s0);
            FloatVector d1 = FloatVector.broadcast(S, scales[scale + count + b]);
            FloatVector m1 = FloatVector.broadcast(S, minima[scale + count + b]);
            IntVector q1 = unsigned(from, first + step + 9 * b + 1);
            s1 = low(q1).fma(d1, m1).fma(x0, s1);
            s1 = high(q1).fma(d1, m1).fma(x1, s1);
        }
        s0.intoArray(sums, to);
        s1.intoArray(sums, to + L);
    }

    private static int word(short[] from, int at) {
        return from[at] & 0xffff | from[at + 1] << 16;
    }

    /** Puts the scales of 6 bits of each block into 8 bytes, and the minima into the next 8. */
    private static void q4Bits(int count, short[] from, int first, int[] to) {
        for (int b = 0; b < count; b++) {
            int u = word(from, first + 72 * b);
            int v = word(from, first + 72 * b + 2);
            int w = word(from, first + 72 * b + 4);
            to[4 * b] = u & 0x3f3f3f3f;
            to[4 * b + 1] = w & 0x0f0f0f0f | u >>> 2 & 0x30303030;
            to[4 * b + 2] = v & 0x3f3f3f3f;
            to[4 * b + 3] = w >>> 4 & 0x0f0f0f0f | v >>> 2 & 0x30303030;
        }
    }

    /** For each block, the 8 steps and the 8 minima, the latter with opposite sign. */
    private static void q4Steps(int count, int[] bits, float[] scales, int first, float[] to) {
        for (int b = 0; b < count; b++) {
            float d = scales[first + 2 * b];
            float e = -scales[first + 2 * b + 1];
            ByteVector all =
                    IntVector.fromArray(IntVector.SPECIES_128, bits, 4 * b).reinterpretAsBytes();
            for (int part = 0; part < STEPS / L; part++) {
                FloatVector scale = L == STEPS
                        ? FloatVector.broadcast(S, d).blend(e, MINIMA)
                        : FloatVector.broadcast(S, part == 0 ? d : e);
                floats((IntVector) all.convertShape(VectorOperators.ZERO_EXTEND_B2I, Lanes.I, part))
                        .mul(scale)
                        .intoArray(to, STEPS * b + part * L);
            }
        }
    }

    /** A unit is 64 numbers that share 32 bytes. */
    private static void q4k(int units, short[] from, int first, float[] steps, float[] to, int at) {
        for (int u = 0; u < units; u++) {
            int place = first + 72 * (u >> 2) + 16 * (u & 3);
            int step = STEPS * (u >> 2) + 2 * (u & 3);
            FloatVector s0 = FloatVector.broadcast(S, steps[step]);
            FloatVector s1 = FloatVector.broadcast(S, steps[step + 1]);
            FloatVector m0 = FloatVector.broadcast(S, steps[step + 8]);
            FloatVector m1 = FloatVector.broadcast(S, steps[step + 9]);
            for (int i = 0; i < 32; i += L) {
                IntVector q = unsigned(from, place + i / 2);
                low(q).fma(s0, m0).intoArray(to, at + 64 * u + i);
                high(q).fma(s1, m1).intoArray(to, at + 64 * u + 32 + i);
            }
        }
    }

    private static void q6Steps(int count, short[] from, int first, float[] scales, int scale, float[] to) {
        for (int b = 0; b < count; b++) {
            FloatVector d = FloatVector.broadcast(S, scales[scale + b]);
            for (int i = 0; i < STEPS; i += L) {
                floats(signed(from, first + 105 * b + i / 2)).mul(d).intoArray(to, STEPS * b + i);
            }
        }
    }

    /** Run by run: the vectors of all four in one method are more than C2 inlines, and those left over were boxed. */
    private static void q6k(int halfBlocks, short[] from, int first, float[] steps, float[] to, int at) {
        for (int run = 0; run < 4; run++) {
            q6Run(run, halfBlocks, from, first, steps, to, at);
        }
    }

    /** One of the four runs of 32 of each half of a block: s (q - 32), exact but for the last rounding. */
    private static void q6Run(int run, int halfBlocks, short[] from, int first, float[] steps, float[] to, int at) {
        int nibble = 4 * (run >> 1);
        for (int h = 0; h < halfBlocks; h++) {
            int low = first + 105 * (h >> 1) + 32 * (h & 1) + 16 * (run & 1);
            int high = first + 105 * (h >> 1) + 64 + 16 * (h & 1);
            for (int i = 0; i < 32; i += L) {
                IntVector bits = unsigned(from, high + i / 2)
                        .lanewise(VectorOperators.LSHR, 2 * run)
                        .and(3)
                        .lanewise(VectorOperators.LSHL, 4);
                IntVector q = unsigned(from, low + i / 2)
                        .lanewise(VectorOperators.LSHR, nibble)
                        .and(15)
                        .or(bits);
                floats(q.sub(32)).mul(steps[8 * h + 2 * run + i / 16]).intoArray(to, at + 128 * h + 32 * run + i);
            }
        }
    }
}
