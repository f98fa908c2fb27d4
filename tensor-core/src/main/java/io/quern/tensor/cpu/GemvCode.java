package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.x86.CodeTable;
import io.quern.tensor.cpu.x86.ColumnsCode;
import io.quern.tensor.cpu.x86.DigitsCode;
import io.quern.tensor.cpu.x86.RowsCode;
import io.quern.tensor.cpu.x86.SumCode;
import java.lang.foreign.MemorySegment;

/** The functions of {@link GemvMachine} in machine code, each written when it is first needed and kept for good. */
final class GemvCode {
    private static final int TYPES = DType.values().length;
    private static final CodeTable ROWS = new CodeTable(2 * TYPES * RowsCode.ROWS);
    private static final CodeTable COLUMNS = new CodeTable(TYPES * ColumnsCode.ROWS);
    private static final CodeTable DIGITS = new CodeTable(TYPES);
    private static final CodeTable SUMS = new CodeTable(2);

    private GemvCode() {}

    /** See {@link RowsCode}. */
    static MemorySegment rows(DType type, int rows, boolean fixed) {
        int at = ((fixed ? TYPES : 0) + type.ordinal()) * RowsCode.ROWS + rows - 1;
        MemorySegment code = ROWS.get(at);
        return code != null ? code : ROWS.write(at, () -> RowsCode.install(type, rows, fixed));
    }

    /** See {@link DigitsCode}. */
    static MemorySegment digits(DType type) {
        int at = type.ordinal();
        MemorySegment code = DIGITS.get(at);
        return code != null ? code : DIGITS.write(at, () -> DigitsCode.install(type));
    }

    /** See {@link ColumnsCode}. */
    static MemorySegment columns(DType type, int rows) {
        int at = type.ordinal() * ColumnsCode.ROWS + rows - 1;
        MemorySegment code = COLUMNS.get(at);
        return code != null ? code : COLUMNS.write(at, () -> ColumnsCode.install(type, rows));
    }

    /** See {@link SumCode}. */
    static MemorySegment sum(boolean accumulate) {
        int at = accumulate ? 1 : 0;
        MemorySegment code = SUMS.get(at);
        return code != null ? code : SUMS.write(at, () -> SumCode.install(accumulate));
    }
}
