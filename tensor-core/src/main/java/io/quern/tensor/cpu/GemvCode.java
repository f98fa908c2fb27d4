package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.x86.ColumnsCode;
import io.quern.tensor.cpu.x86.RowsCode;
import io.quern.tensor.cpu.x86.SumCode;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;

/** The functions of {@link GemvMachine} in machine code, each written when it is first needed and kept for good. */
final class GemvCode {
    private static final int TYPES = DType.values().length;
    private static final AtomicReferenceArray<MemorySegment> ROWS = new AtomicReferenceArray<>(TYPES * RowsCode.ROWS);
    private static final AtomicReferenceArray<MemorySegment> COLUMNS =
            new AtomicReferenceArray<>(TYPES * ColumnsCode.ROWS);
    private static final AtomicReferenceArray<MemorySegment> SUMS = new AtomicReferenceArray<>(2);

    private GemvCode() {}

    /** See {@link RowsCode}. */
    static MemorySegment rows(DType type, int rows) {
        int at = type.ordinal() * RowsCode.ROWS + rows - 1;
        MemorySegment code = ROWS.get(at);
        return code != null ? code : write(ROWS, at, () -> RowsCode.install(type, rows));
    }

    /** See {@link ColumnsCode}. */
    static MemorySegment columns(DType type, int rows) {
        int at = type.ordinal() * ColumnsCode.ROWS + rows - 1;
        MemorySegment code = COLUMNS.get(at);
        return code != null ? code : write(COLUMNS, at, () -> ColumnsCode.install(type, rows));
    }

    /** See {@link SumCode}. */
    static MemorySegment sum(boolean accumulate) {
        int at = accumulate ? 1 : 0;
        MemorySegment code = SUMS.get(at);
        return code != null ? code : write(SUMS, at, () -> SumCode.install(accumulate));
    }

    private static synchronized MemorySegment write(
            AtomicReferenceArray<MemorySegment> all, int at, Supplier<MemorySegment> writer) {
        MemorySegment code = all.get(at);
        if (code == null) {
            code = writer.get();
            all.set(at, code);
        }
        return code;
    }
}
