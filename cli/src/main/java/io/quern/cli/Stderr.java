package io.quern.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Gives the process its stderr back. The JVM writes a line about incubator modules to stderr before any of our code runs,
 * and has no switch for it; so the launcher starts the JVM with stderr on the null device and the real one as another
 * descriptor, whose number is in the system property {@code quern.stderr}.
 *
 * <p>The descriptor itself is put back, not only {@link System#err}: native code, and the question whether stderr is a
 * terminal, mean descriptor 2.
 */
final class Stderr {
    private static final int STDERR = 2;

    private Stderr() {}

    static void restore() {
        Integer real = Integer.getInteger("quern.stderr");
        if (real == null) {
            return;
        }
        Linker linker = Linker.nativeLinker();
        MethodHandle dup2 = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("dup2"),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        int result;
        try {
            result = (int) dup2.invokeExact((int) real, STDERR);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
        if (result != STDERR) {
            System.out.println("quern: stderr cannot be restored from descriptor " + real
                    + "; start through the quern script, or without -Dquern.stderr");
            System.exit(Main.FAILURE);
        }
    }
}
