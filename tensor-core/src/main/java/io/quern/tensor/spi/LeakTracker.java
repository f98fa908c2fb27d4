package io.quern.tensor.spi;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/**
 * Knows every live buffer and where it was allocated, when switched on by the system property
 * {@code quern.leaks=true} (the tests do). Costs one boolean test an allocation when off.
 */
public final class LeakTracker {
    /** Whether allocation sites are recorded; decided once at start. */
    public static final boolean ENABLED = Boolean.getBoolean("quern.leaks");

    private static final Set<Buffer> LIVE = Collections.newSetFromMap(new IdentityHashMap<>());

    private LeakTracker() {}

    static Throwable onAllocate(Buffer buffer) {
        if (!ENABLED) {
            return null;
        }
        synchronized (LIVE) {
            LIVE.add(buffer);
        }
        return new Throwable("allocated here");
    }

    static void onFree(Buffer buffer) {
        if (ENABLED) {
            synchronized (LIVE) {
                LIVE.remove(buffer);
            }
        }
    }

    /** The buffers alive now, of which {@link Buffer#site} says where each was allocated; empty when tracking is off. */
    public static List<Buffer> live() {
        synchronized (LIVE) {
            return new ArrayList<>(LIVE);
        }
    }
}
