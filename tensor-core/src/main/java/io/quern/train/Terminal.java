package io.quern.train;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/** Whether a standard stream is a terminal; Java only tells whether input and output are one, not the error stream. */
final class Terminal {
    private Terminal() {}

    /** Of file descriptor 1 (output) or 2 (errors); no where it cannot be found out. */
    static boolean isTerminal(int fileDescriptor) {
        Optional<MemorySegment> isatty = Linker.nativeLinker().defaultLookup().find("isatty");
        if (isatty.isEmpty()) {
            return false;
        }
        FunctionDescriptor type = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
        try {
            return (int) Linker.nativeLinker()
                            .downcallHandle(isatty.get(), type)
                            .invokeExact(fileDescriptor)
                    == 1;
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
    }
}
