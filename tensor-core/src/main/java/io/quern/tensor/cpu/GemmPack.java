package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Copies stretches of A and B into the panels that a {@link GemmKernel} reads, transposing and widening as needed, so
 * that one kernel serves all layouts. A panel holds, for each k of the stretch, one tile's elements side by side. What
 * lies beyond the matrix is filled with zeros: the kernel always computes whole tiles.
 */
final class GemmPack {
    private static final VectorSpecies<Float> S = GemmLoad.F;
    private static final int L = S.length();

    /** Side of a transposed block. */
    private static final int SIDE = 16;

    /** Length of the strips that are transposed: two lines of each of 16 pages keep enough reads in flight. */
    private static final int DEEP = 2 * SIDE;

    private final int rows;
    private final int pitch;
    private final int width;

    GemmPack(GemmKernel kernel) {
        rows = kernel.rows();
        pitch = kernel.pitch();
        width = kernel.columns();
    }

    /** Floats in a panel of A of a stretch of {@code kc}, a multiple of 16. */
    int aPanel(int kc) {
        return kc * pitch;
    }

    /** Floats in a panel of B of a stretch of {@code kc}, a multiple of 16. */
    int bPanel(int kc) {
        return kc * width;
    }

    /**
     * Packs rows {@code i0 to i0 + count - 1} of A, of k {@code k0 + from} to {@code k0 + kc - 1}, into panels
     * {@code apart} floats apart from {@code at} on, whose k begin at {@code k0}; {@code from} is a multiple of 16.
     */
    void a(GemmCall g, int i0, int count, int k0, int from, int kc, float[] to, int at, int apart) {
        if (g.aCol() == 1) {
            float[] strip = GemmScratch.take(SIDE * DEEP);
            for (int i = 0; i < count; i += rows) {
                int some = Math.min(rows, count - i);
                int panel = at + i / rows * apart;
                for (int p = from; p < kc; p += DEEP) {
                    int deep = Math.min(DEEP, kc - p);
                    strip(DType.F32, g.aAt(i0 + i, k0 + p), g.aRow() * Float.BYTES, some, pitch, deep, strip);
                    for (int q = 0; q < deep; q += SIDE) {
                        GemmTranspose.block(pitch, strip, q, DEEP, to, panel + (p + q) * pitch, pitch);
                    }
                }
            }
            GemmScratch.give(strip);
        } else if (g.aRow() == 1) {
            for (int p = from; p < kc; p += SIDE) {
                int deep = Math.min(SIDE, kc - p);
                for (int i = 0; i < count; i += rows) {
                    // Padding may hold rows of the next panel: they do no harm.
                    int inside = Math.min(pitch, g.m() - i0 - i);
                    int panel = at + i / rows * apart + p * pitch;
                    lines(DType.F32, g.aAt(i0 + i, k0 + p), g.aCol() * Float.BYTES, deep, inside, to, panel, pitch);
                }
            }
        } else {
            for (int i = 0; i < up(count, rows); i++) {
                int panel = at + i / rows * apart + i % rows;
                for (int p = from; p < kc; p++) {
                    to[panel + p * pitch] = i < count ? OffHeap.getFloat(g.aAt(i0 + i, k0 + p)) : 0;
                }
            }
        }
    }

    /**
     * Packs columns {@code j0 to j0 + count - 1} of B, of k {@code k0 + from} to {@code k0 + kc - 1}, into panels
     * {@code apart} floats apart from {@code at} on, whose k begin at {@code k0}; {@code from} is a multiple of 16.
     */
    void b(GemmCall g, int j0, int count, int k0, int from, int kc, float[] to, int at, int apart) {
        if (g.type().isQuantized()) {
            quantized(g, j0, count, k0, from, kc, to, at, apart);
        } else if (g.bCol() == 1) {
            for (int p = from; p < kc; p += SIDE) {
                int deep = Math.min(SIDE, kc - p);
                for (int j = 0; j < count; j += width) {
                    int inside = Math.min(width, count - j);
                    int panel = at + j / width * apart + p * width;
                    lines(g.type(), g.bAt(k0 + p, j0 + j), g.bRow() * g.type().bytes(), deep, inside, to, panel, width);
                }
            }
        } else if (g.bRow() == 1) {
            float[] strip = GemmScratch.take(SIDE * DEEP);
            for (int j = 0; j < up(count, width); j += SIDE) {
                int some = Math.max(0, Math.min(SIDE, count - j));
                int panel = at + j / width * apart + j % width;
                for (int p = from; p < kc; p += DEEP) {
                    int deep = Math.min(DEEP, kc - p);
                    strip(g.type(), g.bAt(k0 + p, j0 + j), g.bCol() * g.type().bytes(), some, SIDE, deep, strip);
                    for (int q = 0; q < deep; q += SIDE) {
                        GemmTranspose.block(SIDE, strip, q, DEEP, to, panel + (p + q) * width, width);
                    }
                }
            }
            GemmScratch.give(strip);
        } else {
            for (int j = 0; j < up(count, width); j++) {
                int panel = at + j / width * apart + j % width;
                for (int p = from; p < kc; p++) {
                    to[panel + p * width] = j < count ? GemmReference.element(g.type(), g.bAt(k0 + p, j0 + j)) : 0;
                }
            }
        }
    }

    /** As {@link #b}; whole stretches at a time, as their scales are widened together. */
    private void quantized(GemmCall g, int j0, int count, int k0, int from, int kc, float[] to, int at, int apart) {
        int line = kc - from + SIDE;
        float[] stage = GemmScratch.take(SIDE * line);
        Dequantizer wide = Dequantizer.take();
        for (int j = 0; j < up(count, width); j += SIDE) {
            int some = Math.max(0, Math.min(SIDE, count - j));
            if (some > 0) {
                wide.rows(g.type(), g.bAt(0, j0 + j), g.bStep(), some, k0 + from, kc - from, stage, 0, line);
            }
            Arrays.fill(stage, some * line, SIDE * line, 0);
            int panel = at + j / width * apart + j % width;
            for (int p = from; p < kc; p += SIDE) {
                GemmTranspose.block(SIDE, stage, p - from, line, to, panel + p * width, width);
            }
        }
        Dequantizer.give(wide);
        GemmScratch.give(stage);
    }

    /**
     * Fills a strip of {@code height} lines and {@code deep} elements, filled up with zeros to a multiple of 16, from
     * {@code lines} stretches of memory, {@code step} bytes apart; the other lines get zeros.
     */
    private static void strip(DType type, long address, long step, int lines, int height, int deep, float[] to) {
        if (deep == DEEP && type == DType.F32) {
            whole(address, step, lines, to);
        } else if (deep == DEEP && type == DType.F16) {
            f16(address, step, lines, DEEP, to, 0);
        } else {
            for (int r = 0; r < lines; r++) {
                GemmLoad.row(type, address + r * step, deep, to, r * DEEP);
                Arrays.fill(to, r * DEEP + deep, r * DEEP + up(deep, SIDE), 0);
            }
        }
        for (int r = lines; r < height; r++) {
            Arrays.fill(to, r * DEEP, r * DEEP + up(deep, SIDE), 0);
        }
    }

    private static void whole(long address, long step, int lines, float[] to) {
        for (int r = 0; r < lines; r++) {
            long from = address + r * step;
            int at = r * DEEP;
            for (int c = 0; c < DEEP; c += L) {
                FloatVector.fromMemorySegment(S, OffHeap.ALL, from + 4L * c, OffHeap.ORDER)
                        .intoArray(to, at + c);
            }
        }
    }

    /**
     * Copies {@code lines} stretches of {@code count} adjacent elements, {@code step} bytes apart, and fills each up with
     * zeros to {@code width}. So short a piece of each page at a time, and yet some pages at a time, keeps enough reads
     * in flight.
     */
    private static void lines(
            DType type, long address, long step, int lines, int count, float[] to, int at, int width) {
        if (count == width && type == DType.F32 && width == 2 * L) {
            twoVectors(address, step, lines, to, at);
        } else if (count == width && type == DType.F32 && width == L) {
            oneVector(address, step, lines, to, at);
        } else if (count == width && type == DType.BF16 && width == 2 * L) {
            twoOfBf16(address, step, lines, to, at);
        } else if (count == width && type == DType.F16) {
            f16(address, step, lines, width, to, at);
        } else {
            for (int p = 0; p < lines; p++) {
                GemmLoad.row(type, address + p * step, count, to, at + p * width);
                Arrays.fill(to, at + p * width + count, at + (p + 1) * width, 0);
            }
        }
    }

    private static void twoVectors(long address, long step, int lines, float[] to, int at) {
        for (int p = 0; p < lines; p++) {
            long from = address + p * step;
            FloatVector.fromMemorySegment(S, OffHeap.ALL, from, OffHeap.ORDER).intoArray(to, at + p * (2 * L));
            FloatVector.fromMemorySegment(S, OffHeap.ALL, from + 4 * L, OffHeap.ORDER)
                    .intoArray(to, at + p * (2 * L) + L);
        }
    }

    private static void twoOfBf16(long address, long step, int lines, float[] to, int at) {
        for (int p = 0; p < lines; p++) {
            GemmLoad.bf16(address + p * step).intoArray(to, at + p * (2 * L));
            GemmLoad.bf16(address + p * step + 2 * L).intoArray(to, at + p * (2 * L) + L);
        }
    }

    /** Lines that follow each other without a gap. */
    private static void f16(long address, long step, int lines, int count, float[] to, int at) {
        if (lines > 0) {
            Dequantizer wide = Dequantizer.take();
            wide.rows(DType.F16, address, step, lines, 0, count, to, at, count);
            Dequantizer.give(wide);
        }
    }

    private static void oneVector(long address, long step, int lines, float[] to, int at) {
        for (int p = 0; p < lines; p++) {
            FloatVector.fromMemorySegment(S, OffHeap.ALL, address + p * step, OffHeap.ORDER)
                    .intoArray(to, at + p * L);
        }
    }

    /** The smallest multiple of {@code unit} that is not below {@code n}. */
    static int up(int n, int unit) {
        return (n + unit - 1) / unit * unit;
    }
}
