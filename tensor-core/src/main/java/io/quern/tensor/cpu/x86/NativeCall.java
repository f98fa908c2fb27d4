package io.quern.tensor.cpu.x86;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Calls functions at an address with up to six whole numbers, which is what the System V convention passes in registers.
 *
 * <p>One method handle for all of them, kernels and the few functions of the C library alike: linking takes milliseconds
 * of a first token for each shape of call, and one call site is compiled once. A function that takes fewer numbers does
 * not see the others, and one that returns less leaves the upper bits of the result undefined. The thread counts as in
 * native code meanwhile, so that a call does not hold up the garbage collector.
 */
public final class NativeCall {
    private static final MethodHandle CALL = Linker.nativeLinker()
            .downcallHandle(FunctionDescriptor.of(
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG));

    private NativeCall() {}

    /** Calls a function; what it does not take is ignored. */
    public static long call(MemorySegment function, long a, long b, long c, long d, long e, long f) {
        try {
            return (long) CALL.invokeExact(function, a, b, c, d, e, f);
        } catch (RuntimeException | Error t) {
            throw t;
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
    }

    /** A function of the C library. */
    static MemorySegment symbol(String name) {
        return Linker.nativeLinker().defaultLookup().findOrThrow(name);
    }
}
