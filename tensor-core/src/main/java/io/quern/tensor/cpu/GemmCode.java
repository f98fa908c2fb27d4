package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.cpu.x86.Assembler;
import io.quern.tensor.cpu.x86.GemmPackCode;
import io.quern.tensor.cpu.x86.GemmPackCode.Element;
import io.quern.tensor.cpu.x86.GemmTileCode;
import io.quern.tensor.cpu.x86.GemmTileCode.Left;
import io.quern.tensor.cpu.x86.MachineCode;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;

/** The functions of {@link GemmMachine} in machine code, each written when it is first needed and kept for good. */
final class GemmCode {
    private static final int LEFTS = Left.values().length;
    private static final int ELEMENTS = Element.values().length;
    private static final AtomicReferenceArray<MemorySegment> TILES =
            new AtomicReferenceArray<>(GemmTileCode.ROWS * 2 * LEFTS * 2);
    private static final AtomicReferenceArray<MemorySegment> TRANSPOSING = new AtomicReferenceArray<>(16 * ELEMENTS);
    private static final AtomicReferenceArray<MemorySegment> LINES = new AtomicReferenceArray<>(2 * ELEMENTS);

    private static final AtomicReferenceArray<MemorySegment> PANELS = new AtomicReferenceArray<>(ELEMENTS);

    private GemmCode() {}

    /** See {@link GemmTileCode#write}. */
    static MemorySegment tile(int rows, int vectors, Left left, boolean packed) {
        int at = (((rows - 1) * 2 + vectors - 1) * LEFTS + left.ordinal()) * 2 + (packed ? 1 : 0);
        MemorySegment code = TILES.get(at);
        return code != null ? code : write(TILES, at, () -> GemmTileCode.write(rows, vectors, left, packed));
    }

    /** See {@link GemmPackCode#transposing}. */
    static MemorySegment transposing(int lines, Element type) {
        int at = (lines - 1) * ELEMENTS + type.ordinal();
        MemorySegment code = TRANSPOSING.get(at);
        return code != null ? code : write(TRANSPOSING, at, () -> GemmPackCode.transposing(lines, type));
    }

    /** See {@link GemmPackCode#lines}. */
    static MemorySegment lines(int vectors, Element type) {
        int at = (vectors - 1) * ELEMENTS + type.ordinal();
        MemorySegment code = LINES.get(at);
        return code != null ? code : write(LINES, at, () -> GemmPackCode.lines(vectors, type));
    }

    /** See {@link GemmPackCode#panels}. */
    static MemorySegment panels(Element type) {
        MemorySegment code = PANELS.get(type.ordinal());
        return code != null ? code : write(PANELS, type.ordinal(), () -> GemmPackCode.panels(type));
    }

    /** Of weights that are not quantised. */
    static Element element(DType type) {
        return switch (type) {
            case BF16 -> Element.BF16;
            case F16 -> Element.F16;
            default -> Element.F32;
        };
    }

    private static synchronized MemorySegment write(
            AtomicReferenceArray<MemorySegment> all, int at, Supplier<Assembler> writer) {
        MemorySegment code = all.get(at);
        if (code == null) {
            code = MachineCode.install(writer.get());
            all.set(at, code);
        }
        return code;
    }
}
