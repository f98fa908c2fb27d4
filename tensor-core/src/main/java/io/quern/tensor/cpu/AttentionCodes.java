package io.quern.tensor.cpu;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.x86.AttentionWeightsCode;
import io.quern.tensor.cpu.x86.CodeTable;
import io.quern.tensor.cpu.x86.NativeCall;
import java.lang.foreign.MemorySegment;

/** The rows of scores of attention in machine code, see {@link AttentionWeightsCode}. */
final class AttentionCodes {
    private static final CodeTable CODES = new CodeTable(2);

    /** Bytes of a whole vector, to which rows are rounded up. */
    static final int VECTOR = 64;

    private AttentionCodes() {}

    /** Bytes of a row with so many scores. */
    static long rowBytes(int scores) {
        return (4L * scores + VECTOR - 1) / VECTOR * VECTOR;
    }

    /**
     * Turns the scores of a query into weights, and drops some if asked for; returns the logarithm of the sum of
     * exponentials.
     *
     * @param parameters with {@link AttentionWeightsCode#SCALE}
     * @param visible scores at the begin of the row
     * @param zeroTo scores up to where it becomes 0
     */
    static float softmax(Call c, int b, int head, int i, long parameters, long row, int visible, int zeroTo) {
        hide(c, b, row, visible);
        MemorySegment code = CODES.get(0);
        NativeCall.call(
                code != null ? code : CODES.write(0, AttentionWeightsCode::softmax),
                parameters,
                row,
                visible,
                rowBytes(zeroTo),
                0,
                0);
        drop(c, b, head, i, row, visible);
        float max = OffHeap.getFloat(parameters + AttentionWeightsCode.MAX);
        float sum = OffHeap.getFloat(parameters + AttentionWeightsCode.SUM);
        return max == Float.NEGATIVE_INFINITY ? max : max + (float) Math.log(sum);
    }

    /**
     * Turns the scores of a query into weights again, and the gradients of the weights, if some are dropped those of the
     * rest, into the gradients of the scores.
     *
     * @param parameters with all that {@link AttentionWeightsCode#gradient} reads
     */
    static void gradient(
            Call c, int b, int head, int i, long parameters, long row, long gradients, int visible, int zeroTo) {
        hide(c, b, row, visible);
        drop(c, b, head, i, gradients, visible);
        MemorySegment code = CODES.get(1);
        NativeCall.call(
                code != null ? code : CODES.write(1, AttentionWeightsCode::gradient),
                parameters,
                row,
                gradients,
                visible,
                rowBytes(zeroTo),
                0);
        drop(c, b, head, i, row, visible);
    }

    private static void hide(Call c, int b, long row, int visible) {
        for (int j = 0; j < visible && c.keyMask() != 0; j++) {
            if (c.hidden(b, j)) {
                OffHeap.setFloat(row + 4L * j, Float.NEGATIVE_INFINITY);
            }
        }
    }

    private static void drop(Call c, int b, int head, int i, long row, int visible) {
        if (c.options().dropout() > 0) {
            float[] p = GemmScratch.take(visible);
            OffHeap.read(row, p, 0, visible);
            AttentionDropout.apply(c, c.weight(b, head, i), p, 0, visible);
            OffHeap.write(p, 0, row, visible);
            GemmScratch.give(p);
        }
    }
}
