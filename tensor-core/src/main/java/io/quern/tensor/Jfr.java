package io.quern.tensor;

import jdk.jfr.FlightRecorder;

/**
 * Whether events of JDK Flight Recorder may be wanted. Loading an event's class sets the recorder's metadata up, which takes
 * tens of milliseconds; so code asks here first and touches event classes only where a recorder runs.
 */
public final class Jfr {
    /** A trimmed runtime may lack the module. */
    private static final boolean PRESENT =
            ModuleLayer.boot().findModule("jdk.jfr").isPresent();

    private Jfr() {}

    /** Whether a recorder was started in this JVM, by {@code --jfr}, a JVM option, {@code jcmd} or a program. */
    public static boolean isOn() {
        return PRESENT && FlightRecorder.isInitialized();
    }
}
