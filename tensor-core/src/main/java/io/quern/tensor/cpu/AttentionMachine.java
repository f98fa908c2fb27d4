package io.quern.tensor.cpu;

import io.quern.tensor.cpu.AttentionKernels.Call;
import io.quern.tensor.cpu.AttentionKernels.Rows;
import io.quern.tensor.cpu.x86.AttentionCode;
import io.quern.tensor.cpu.x86.AttentionWeightsCode;
import io.quern.tensor.cpu.x86.CodeTable;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import java.lang.foreign.MemorySegment;

/** What {@link AttentionRows} does, by machine code. */
final class AttentionMachine {
    private static final int LANES = 16;
    private static final CodeTable SCORES = new CodeTable(2 * (AttentionCode.VECTORS + 1));
    private static final CodeTable VALUES = new CodeTable(2 * (AttentionCode.VECTORS + 1));

    private AttentionMachine() {}

    /** Whether there is code for a head size. */
    static boolean serves(int size) {
        return size % LANES == 0 && size > 0 && size <= LANES * AttentionCode.VECTORS && MachineCode.isUsed();
    }

    /** All queries of a head. */
    static void head(Call c, int b, int head, Rows out, long lse) {
        int padded = GemmPack.up(Math.max(1, c.keys()), Lanes.L);
        int n = Math.max(1, c.keys());
        long bytes = AttentionCode.PARAMETERS + AttentionWeightsCode.PARAMETERS + AttentionCodes.rowBytes(n);
        long scratch = NativeScratch.take(bytes);
        try {
            for (int i = 0; i < c.queries(); i++) {
                float logSum = query(c, b, head, i, scratch, out.at(b, i, head));
                OffHeap.setFloat(lse + Float.BYTES * (((long) b * c.heads() + head) * c.queries() + i), logSum);
            }
        } finally {
            NativeScratch.give(scratch, bytes);
        }
    }

    private static float query(Call c, int b, int head, int i, long parameters, long to) {
        int n = c.visible(i);
        int g = c.keyHead(head);
        long weights = parameters + AttentionCode.PARAMETERS;
        long scores = weights + AttentionWeightsCode.PARAMETERS;
        long rows = c.rows() == 0 ? 0 : c.rows() + Integer.BYTES * (long) b * c.keys();
        int row = c.rows() == 0 ? b : 0;
        parameters(parameters, c.k(), (float) c.options().scale());
        long q = c.q().at(b, i, head);
        NativeCall.call(scores(c), parameters, q, c.k().at(row, 0, g), n, scores, rows);
        OffHeap.setFloat(weights + AttentionWeightsCode.SCALE, 1);
        float logSum = AttentionCodes.softmax(c, b, head, i, weights, scores, n, n);
        parameters(parameters, c.v(), 1);
        NativeCall.call(values(c), parameters, scores, c.v().at(row, 0, g), n, to, rows);
        return logSum;
    }

    private static void parameters(long at, Rows keys, float factor) {
        OffHeap.setLong(at + AttentionCode.ROW, Float.BYTES * keys.n());
        OffHeap.setLong(at + AttentionCode.TIME, Float.BYTES * keys.t());
        OffHeap.setFloat(at + AttentionCode.FACTOR, factor);
    }

    private static MemorySegment scores(Call c) {
        MemorySegment code = SCORES.get(index(c));
        return code != null
                ? code
                : SCORES.write(index(c), () -> AttentionCode.scores(c.size() / LANES, c.rows() != 0));
    }

    private static MemorySegment values(Call c) {
        MemorySegment code = VALUES.get(index(c));
        return code != null
                ? code
                : VALUES.write(index(c), () -> AttentionCode.values(c.size() / LANES, c.rows() != 0));
    }

    private static int index(Call c) {
        return 2 * (c.size() / LANES) + (c.rows() == 0 ? 0 : 1);
    }
}
