package io.quern.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** Switches of the emulated device that no driver has; on a card they do nothing. */
final class EmulatedSchedule {
    private EmulatedSchedule() {}

    /** Order of threads between barriers: forward, backward, or a number for a random one. */
    static void set(String order) {
        try (Arena arena = Arena.ofConfined()) {
            call("quern_emu_order", ValueLayout.ADDRESS, arena.allocateFrom(order));
        }
    }

    /** Whether the device works again after a kernel failed, which no card does. */
    static void forgive(boolean on) {
        CatalogRun.backend().card().forgive(on);
        call("quern_emu_forgive", ValueLayout.JAVA_INT, on ? 1 : 0);
    }

    /** Puts the kernels of a library in the place of those of the same names; null puts the right ones back. */
    static void replace(Path library) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment path = library == null ? MemorySegment.NULL : arena.allocateFrom(library.toString());
            if (call("quern_emu_replace", ValueLayout.ADDRESS, path) != 0) {
                throw new AssertionError("cannot load " + library);
            }
        }
    }

    /**
     * Runs one block of a kernel that a replacement brought, without PTX; whether it did not fail.
     *
     * @param arguments of 8 bytes each
     */
    static boolean run(String kernel, int threads, int sharedBytes, long... arguments) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocateFrom(ValueLayout.JAVA_LONG, arguments);
            MemorySegment pointers = arena.allocate(ValueLayout.ADDRESS, arguments.length);
            for (int i = 0; i < arguments.length; i++) {
                pointers.setAtIndex(ValueLayout.ADDRESS, i, values.asSlice(8L * i, 8));
            }
            MethodHandle handle = handle(
                    "quern_emu_run",
                    ValueLayout.ADDRESS,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.ADDRESS);
            return (int) handle.invoke(arena.allocateFrom(kernel), threads, sharedBytes, pointers) == 0;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** What was wrong with the last kernel that failed. */
    static String lastError() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(1000);
            call("quern_emu_error", ValueLayout.ADDRESS, text);
            return text.getString(0);
        }
    }

    private static int call(String name, ValueLayout type, Object argument) {
        if (Emulator.isCard()) {
            return 0;
        }
        try {
            return (int) handle(name, type).invoke(argument);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static MethodHandle handle(String name, ValueLayout... parameters) {
        SymbolLookup library =
                SymbolLookup.libraryLookup(Path.of(System.getProperty("quern.cuda.driver")), Arena.global());
        MemorySegment address = library.find(name).orElseThrow();
        return Linker.nativeLinker().downcallHandle(address, FunctionDescriptor.of(ValueLayout.JAVA_INT, parameters));
    }
}
