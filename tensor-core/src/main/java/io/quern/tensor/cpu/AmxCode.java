package io.quern.tensor.cpu;

import io.quern.tensor.cpu.x86.AmxPackCode;
import io.quern.tensor.cpu.x86.AmxTileCode;
import io.quern.tensor.cpu.x86.CodeTable;
import io.quern.tensor.cpu.x86.GemmPackCode.Element;
import io.quern.tensor.cpu.x86.MachineCode;
import java.lang.foreign.MemorySegment;

/** The functions of {@link AmxMachine}, each written when it is first needed and kept for good. */
final class AmxCode {
    /** Most parts of a number. */
    static final int PARTS = 3;

    private static final int ELEMENTS = Element.values().length;
    private static final CodeTable TILES = new CodeTable(PARTS * PARTS);
    private static final CodeTable ROWS = new CodeTable(ELEMENTS * PARTS);
    private static final CodeTable PAIRS = new CodeTable(ELEMENTS * PARTS);
    private static final CodeTable TRANSPOSING = new CodeTable(1);

    private AmxCode() {}

    /** See {@link AmxTileCode#write}. */
    static MemorySegment tiles(int left, int right) {
        int at = (left - 1) * PARTS + right - 1;
        MemorySegment code = TILES.get(at);
        return code != null ? code : TILES.write(at, () -> MachineCode.install(AmxTileCode.write(left, right)));
    }

    /** See {@link AmxPackCode#rows}. */
    static MemorySegment rows(Element type, int parts) {
        int at = type.ordinal() * PARTS + parts - 1;
        MemorySegment code = ROWS.get(at);
        return code != null ? code : ROWS.write(at, () -> MachineCode.install(AmxPackCode.rows(type, parts)));
    }

    /** See {@link AmxPackCode#pairs}. */
    static MemorySegment pairs(Element type, int parts) {
        int at = type.ordinal() * PARTS + parts - 1;
        MemorySegment code = PAIRS.get(at);
        return code != null ? code : PAIRS.write(at, () -> MachineCode.install(AmxPackCode.pairs(type, parts)));
    }

    /** See {@link AmxPackCode#transposing}. */
    static MemorySegment transposing() {
        MemorySegment code = TRANSPOSING.get(0);
        return code != null ? code : TRANSPOSING.write(0, () -> MachineCode.install(AmxPackCode.transposing()));
    }
}
