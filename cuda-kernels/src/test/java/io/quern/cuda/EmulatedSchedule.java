package io.quern.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Switches of the emulated device that no driver has. */
final class EmulatedSchedule {
    private static final SymbolLookup LIBRARY =
            SymbolLookup.libraryLookup(java.nio.file.Path.of(System.getProperty("quern.cuda.driver")), Arena.global());
    private static final MethodHandle ORDER = Linker.nativeLinker()
            .downcallHandle(
                    LIBRARY.find("quern_emu_order").orElseThrow(),
                    FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
    private static final MethodHandle FORGIVE = Linker.nativeLinker()
            .downcallHandle(
                    LIBRARY.find("quern_emu_forgive").orElseThrow(),
                    FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

    private EmulatedSchedule() {}

    /** Order of threads between barriers: forward, backward, or a number for a random one. */
    static void set(String order) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(order);
            int unused = (int) ORDER.invokeExact(text);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** Whether the device works again after a kernel failed, which no card does. */
    static void forgive(boolean on) {
        try {
            int unused = (int) FORGIVE.invokeExact(on ? 1 : 0);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
