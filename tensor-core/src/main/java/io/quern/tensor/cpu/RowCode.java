package io.quern.tensor.cpu;

import io.quern.tensor.cpu.x86.BinaryCode;
import io.quern.tensor.cpu.x86.CodeTable;
import io.quern.tensor.cpu.x86.MapCode;
import io.quern.tensor.cpu.x86.NormCode;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Elementwise.UnaryKind;
import java.lang.foreign.MemorySegment;

/** Functions of rows and elements in machine code, each written when it is first needed and kept for good. */
final class RowCode {
    private static final CodeTable MAPS = new CodeTable(2 * UnaryKind.values().length);
    private static final CodeTable BINARIES = new CodeTable(2 * BinaryKind.values().length);
    private static final CodeTable NORMS = new CodeTable(4);

    private RowCode() {}

    /** See {@link MapCode}. */
    static MemorySegment map(UnaryKind kind, boolean biased) {
        int at = 2 * kind.ordinal() + (biased ? 1 : 0);
        MemorySegment code = MAPS.get(at);
        return code != null ? code : MAPS.write(at, () -> MapCode.install(kind, biased));
    }

    /** See {@link BinaryCode}. */
    static MemorySegment binary(BinaryKind kind, boolean one) {
        int at = 2 * kind.ordinal() + (one ? 1 : 0);
        MemorySegment code = BINARIES.get(at);
        return code != null ? code : BINARIES.write(at, () -> BinaryCode.install(kind, one));
    }

    /** See {@link NormCode}. */
    static MemorySegment norm(boolean rms, boolean added) {
        int at = (rms ? 2 : 0) + (added ? 1 : 0);
        MemorySegment code = NORMS.get(at);
        return code != null ? code : NORMS.write(at, () -> NormCode.install(rms, added));
    }
}
