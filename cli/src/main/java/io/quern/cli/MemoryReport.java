package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.MemoryStats;
import io.quern.tensor.spi.SizeClass;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What the pool of a device holds, and held at most. */
final class MemoryReport {
    private MemoryReport() {}

    /** In a line. */
    static String line(Device device) {
        Backend backend = device.backend();
        MemoryStats m = backend.memory();
        List<SizeClass> classes = backend.sizeClasses();
        return "peak " + size(m.peak()) + ", live " + size(m.live()) + " in " + m.buffers()
                + " buffers, kept for reuse "
                + size(m.reserved() - m.live()) + (classes.isEmpty() ? "" : " in " + classes.size() + " size classes")
                + ", obtained from the system " + m.systemAllocations() + " times";
    }

    /** The line, and one for each size of buffers. */
    static List<String> lines(Device device) {
        List<String> all = new ArrayList<>(List.of(line(device)));
        for (SizeClass c : device.backend().sizeClasses()) {
            all.add("buffers of " + size(c.bytes()) + ": " + c.live() + " live, " + c.cached() + " kept for reuse");
        }
        return all;
    }

    private static String size(long bytes) {
        return bytes < 1 << 20 ? bytes + " bytes" : String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0);
    }
}
