package io.quern.tensor.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Memory between two pages that nobody may touch: a read or write outside ends the process. For Linux. */
final class GuardPages implements AutoCloseable {
    private static final int PAGE = 4096;
    private static final int READ_WRITE = 3;
    private static final int PRIVATE_ANONYMOUS = 0x22;
    private static final MethodHandle MMAP = handle("mmap", 6);
    private static final MethodHandle MPROTECT = handle("mprotect", 3);
    private static final MethodHandle MUNMAP = handle("munmap", 2);

    private final long base;
    private final long all;

    GuardPages(long bytes) {
        long inside = (bytes + PAGE - 1) / PAGE * PAGE;
        all = inside + 2 * PAGE;
        try {
            base = (long) MMAP.invoke(0L, all, 0L, (long) PRIVATE_ANONYMOUS, -1L, 0L);
            if (base == -1 || (int) (long) MPROTECT.invoke(base + PAGE, inside, (long) READ_WRITE) != 0) {
                throw new AssertionError("no memory with guard pages");
            }
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** The address of the first byte. */
    long first() {
        return base + PAGE;
    }

    /** The address from which on so many bytes end at the last one. */
    long last(long bytes) {
        return base + all - PAGE - bytes;
    }

    @Override
    public void close() {
        try {
            long rc = (long) MUNMAP.invoke(base, all);
            assert (int) rc == 0;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static MethodHandle handle(String name, int arguments) {
        MemorySegment function = Linker.nativeLinker().defaultLookup().findOrThrow(name);
        ValueLayout[] longs = new ValueLayout[arguments];
        java.util.Arrays.fill(longs, ValueLayout.JAVA_LONG);
        return Linker.nativeLinker().downcallHandle(function, FunctionDescriptor.of(ValueLayout.JAVA_LONG, longs));
    }
}
