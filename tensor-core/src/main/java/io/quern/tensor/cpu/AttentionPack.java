package io.quern.tensor.cpu;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import java.util.Arrays;

/** Copies queries, keys and values into the panels that {@link GemmKernel} multiplies. */
final class AttentionPack {
    static final GemmKernel KERNEL = GemmKernel.preferred();

    /** Columns of a tile. */
    static final int W = KERNEL.columns();

    /** Rows of a tile. */
    static final int R = KERNEL.rows();

    /** Distance of the columns of a left operand. */
    static final int PITCH = KERNEL.pitch();

    /** Keys of a block. */
    static final int KEYS = 256;

    /** Distance of the rows of scores in a block; not a power of two, so that they spread over the cache. */
    static final int STRIDE = KEYS + 16;

    /** Side of a transposed block. */
    static final int SIDE = 16;

    private AttentionPack() {}

    /** Where row j of the operand begins, for head g of sequence b. */
    static long key(Call c, Rows x, int b, int j, int g) {
        return x.at(c.row(b, j), j, g);
    }

    /**
     * Transposed rows 0 to n - 1, in panels of W rows: element d of row j goes to
     * {@code to[(j / W) * D * W + d * W + j % W]}, with D the head size rounded up to 16. Rows past n are zeros.
     */
    static void transposed(Call c, Rows x, int b, int g, int n, float[] to) {
        int size = c.size();
        int height = GemmPack.up(size, SIDE);
        int stride = height + SIDE; // not a power of two, so that the rows spread over the cache
        float[] strip = GemmScratch.take(SIDE * stride);
        for (int j = 0; j < GemmPack.up(n, W); j += SIDE) {
            for (int r = 0; r < SIDE; r++) {
                int length = j + r < n ? size : 0;
                if (length > 0) {
                    OffHeap.read(key(c, x, b, j + r, g), strip, r * stride, size);
                }
                Arrays.fill(strip, r * stride + length, r * stride + height, 0);
            }
            int panel = j / W * height * W + j % W;
            for (int d = 0; d < height; d += SIDE) {
                GemmTranspose.block(SIDE, strip, d, stride, to, panel + d * W, W);
            }
        }
        GemmScratch.give(strip);
    }

    /**
     * Rows 0 to n - 1 in blocks of KEYS rows, each cut into panels of W columns: element d of row j goes to
     * {@code to[((j / KEYS) * C + d / W) * KEYS * W + (j % KEYS) * W + d % W]}, with C panels across the head size.
     */
    static void panels(Call c, Rows x, int b, int g, int n, float[] to) {
        for (int j = 0; j < n; j++) {
            panelRow(key(c, x, b, j, g), c.size(), j / KEYS, j % KEYS, to);
        }
    }

    /** One row of {@link #panels}, from memory. */
    static void panelRow(long from, int size, int block, int row, float[] to) {
        int across = (size + W - 1) / W;
        for (int p = 0; p < across; p++) {
            int at = (block * across + p) * KEYS * W + row * W;
            int length = Math.min(W, size - p * W);
            OffHeap.read(from + 4L * p * W, to, at, length);
            Arrays.fill(to, at + length, at + W, 0);
        }
    }

    /** Floats that {@link #transposed} needs for n rows. */
    static int transposedLength(Call c, int n) {
        return GemmPack.up(n, W) * GemmPack.up(c.size(), SIDE);
    }

    /** Floats that {@link #panels} needs for n rows. */
    static int panelsLength(Call c, int n) {
        return GemmPack.up(n, KEYS) * GemmPack.up(c.size(), W);
    }

    /**
     * Rows of a heap array as the left operand of a tile: element k of row r goes to {@code to[at + k * PITCH + r]}, for k
     * up to n rounded up to 16. Reads PITCH rows; what is in those past the tile's does no harm.
     */
    static void left(float[] rows, int from, int stride, int n, float[] to, int at) {
        for (int k = 0; k < n; k += SIDE) {
            GemmTranspose.block(PITCH, rows, from + k, stride, to, at + k * PITCH, PITCH);
        }
    }

    /**
     * Columns of a heap array as the left operand of a tile whose rows they are: {@code from[at + k * STRIDE + r]} goes to
     * {@code to[k * PITCH + r]}, for k from k0 to k1 - 1.
     */
    static void leftColumns(float[] from, int at, int k0, int k1, float[] to) {
        for (int k = k0; k < k1; k++) {
            System.arraycopy(from, at + k * STRIDE, to, k * PITCH, PITCH);
        }
    }

    /** Rows at {@code to + i * stride} = or += the first columns of a tile. */
    static void put(float[] tile, int rows, int columns, float[] to, int at, int stride, boolean add) {
        int l = Lanes.L;
        for (int i = 0; i < rows; i++) {
            int t = at + i * stride;
            for (int j = 0; j < columns; j += l) {
                var x = jdk.incubator.vector.FloatVector.fromArray(Lanes.F, tile, i * W + j);
                if (add) {
                    x = x.add(jdk.incubator.vector.FloatVector.fromArray(Lanes.F, to, t + j));
                }
                x.intoArray(to, t + j);
            }
        }
    }

    /**
     * Scores of a tile of rows, {@code left[row + d * PITCH + r]}, against {@link #transposed} keys: for keys
     * {@code from to from + n - 1}, n rounded up to W, to {@code to[at + r * STRIDE + j]}.
     */
    static void scores(
            float[] left,
            int row,
            int rows,
            float[] keys,
            int from,
            int n,
            int size,
            float[] tile,
            float[] to,
            int at) {
        int height = GemmPack.up(size, SIDE);
        for (int j = 0; j < n; j += W) {
            int panel = (from + j) / W * height * W;
            for (int d = 0; d < size; d += GemmKernel.KC) {
                int length = Math.min(GemmKernel.KC, size - d);
                KERNEL.tile(rows, length, left, row + d * PITCH, keys, panel + d * W, tile);
                put(tile, rows, W, to, at + j, STRIDE, d > 0);
            }
        }
    }

    /**
     * Adds the product of a tile of rows, {@code left[at + k * PITCH + r]}, and one block of {@link #panels}, over k from
     * {@code k0} to {@code k1 - 1}: to {@code to[toAt + r * stride + d]}, with room for the head size rounded up to W.
     */
    static void product(
            float[] left,
            int at,
            int rows,
            int k0,
            int k1,
            float[] panels,
            int block,
            int size,
            float[] tile,
            float[] to,
            int toAt,
            int stride) {
        int across = (size + W - 1) / W;
        for (int p = 0; p < across; p++) {
            int panel = (block * across + p) * KEYS * W;
            KERNEL.tile(rows, k1 - k0, left, at + k0 * PITCH, panels, panel + k0 * W, tile);
            put(tile, rows, W, to, toAt + p * W, stride, true);
        }
    }
}
