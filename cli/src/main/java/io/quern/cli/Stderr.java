package io.quern.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;

/**
 * Gives the process its stderr back. The JVM writes a line about incubator modules to stderr before any of our code runs,
 * and has no switch for it; so the launcher starts the JVM with stderr closed off and the real one as another descriptor,
 * whose number is in the system property {@code quern.stderr}.
 */
final class Stderr {
    private Stderr() {}

    /** Makes {@link System#err} the real stderr. Opening it anew would lose its position when it is a file. */
    static void restore() {
        Integer number = Integer.getInteger("quern.stderr");
        if (number == null) {
            return;
        }
        try {
            FileDescriptor descriptor = new FileDescriptor();
            Field field = FileDescriptor.class.getDeclaredField("fd");
            field.setAccessible(true);
            field.setInt(descriptor, number);
            System.setErr(new PrintStream(new FileOutputStream(descriptor), true, StandardCharsets.UTF_8));
        } catch (ReflectiveOperationException | RuntimeException e) {
            throw new IllegalStateException(
                    "stderr cannot be restored; start through the quern script, or without -Dquern.stderr", e);
        }
    }
}
