package io.quern.cli;

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;

/** When a new process got where, for {@code --verbose} and {@code --json}. */
final class StartUp {
    private record Mark(String what, long millis) {}

    private static final List<Mark> MARKS = new ArrayList<>();

    private StartUp() {}

    /** Notes that {@code what} is done, unless it was noted before. Threads may mark at the same time. */
    static synchronized void mark(String what) {
        if (MARKS.stream().noneMatch(m -> m.what.equals(what))) {
            MARKS.add(new Mark(what, System.currentTimeMillis()));
        }
    }

    /** Milliseconds from the start of the JVM to a mark; null if it was not reached. */
    static synchronized Long millis(String what) {
        // Asked only now: the bean alone takes some 20 ms in a new process.
        long start = ManagementFactory.getRuntimeMXBean().getStartTime();
        return MARKS.stream()
                .filter(m -> m.what.equals(what))
                .map(m -> m.millis - start)
                .findFirst()
                .orElse(null);
    }

    /** All marks in their order, with milliseconds from the start of the JVM. */
    static synchronized String text() {
        StringBuilder text = new StringBuilder("since the start of the JVM:");
        for (Mark m : MARKS) {
            text.append(' ').append(m.what).append(' ').append(millis(m.what)).append(" ms,");
        }
        return text.substring(0, text.length() - 1);
    }
}
