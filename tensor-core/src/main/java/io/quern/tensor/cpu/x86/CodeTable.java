package io.quern.tensor.cpu.x86;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;

/** Functions in machine code by number, each written when it is first needed and kept for good. */
public final class CodeTable {
    private final AtomicReferenceArray<MemorySegment> functions;

    public CodeTable(int size) {
        functions = new AtomicReferenceArray<>(size);
    }

    /** A function, or null if it is not written yet. Asked first, so that a call of what is there makes no object. */
    public MemorySegment get(int at) {
        return functions.get(at);
    }

    /** Keeps what {@code writer} gives, unless another thread was first; gives what is kept. */
    public synchronized MemorySegment write(int at, Supplier<MemorySegment> writer) {
        MemorySegment code = functions.get(at);
        if (code == null) {
            code = writer.get();
            functions.set(at, code);
        }
        return code;
    }
}
