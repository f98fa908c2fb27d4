package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.x86.CodeTable;
import io.quern.tensor.cpu.x86.GemmPackCode;
import io.quern.tensor.cpu.x86.GemmPackCode.Element;
import io.quern.tensor.cpu.x86.GemmTileCode;
import io.quern.tensor.cpu.x86.GemmTileCode.Left;
import io.quern.tensor.cpu.x86.MachineCode;
import java.lang.foreign.MemorySegment;

/** The functions of {@link GemmMachine} in machine code, each written when it is first needed and kept for good. */
final class GemmCode {
    private static final int LEFTS = Left.values().length;
    private static final int ELEMENTS = Element.values().length;
    private static final CodeTable TILES = new CodeTable(GemmTileCode.ROWS * 2 * LEFTS * 2);
    private static final CodeTable TRANSPOSING = new CodeTable(16 * ELEMENTS);
    private static final CodeTable LINES = new CodeTable(2 * ELEMENTS);

    private static final CodeTable PANELS = new CodeTable(ELEMENTS);

    private GemmCode() {}

    /** See {@link GemmTileCode#write}. */
    static MemorySegment tile(int rows, int vectors, Left left, boolean packed) {
        int at = (((rows - 1) * 2 + vectors - 1) * LEFTS + left.ordinal()) * 2 + (packed ? 1 : 0);
        MemorySegment code = TILES.get(at);
        return code != null
                ? code
                : TILES.write(at, () -> MachineCode.install(GemmTileCode.write(rows, vectors, left, packed)));
    }

    /** See {@link GemmPackCode#transposing}. */
    static MemorySegment transposing(int lines, Element type) {
        int at = (lines - 1) * ELEMENTS + type.ordinal();
        MemorySegment code = TRANSPOSING.get(at);
        return code != null
                ? code
                : TRANSPOSING.write(at, () -> MachineCode.install(GemmPackCode.transposing(lines, type)));
    }

    /** See {@link GemmPackCode#lines}. */
    static MemorySegment lines(int vectors, Element type) {
        int at = (vectors - 1) * ELEMENTS + type.ordinal();
        MemorySegment code = LINES.get(at);
        return code != null ? code : LINES.write(at, () -> MachineCode.install(GemmPackCode.lines(vectors, type)));
    }

    /** See {@link GemmPackCode#panels}. */
    static MemorySegment panels(Element type) {
        MemorySegment code = PANELS.get(type.ordinal());
        return code != null ? code : PANELS.write(type.ordinal(), () -> MachineCode.install(GemmPackCode.panels(type)));
    }

    /** Of weights that are not quantised. */
    static Element element(DType type) {
        return switch (type) {
            case BF16 -> Element.BF16;
            case F16 -> Element.F16;
            default -> Element.F32;
        };
    }
}
