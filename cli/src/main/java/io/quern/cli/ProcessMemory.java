package io.quern.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalDouble;

/** What the system counts as this process's memory, mapped files included; known on Linux only. */
final class ProcessMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");

    private ProcessMemory() {}

    /** Resident now, in MiB. */
    static OptionalDouble residentMib() {
        return status("VmRSS:");
    }

    /** The most that was resident since the start or {@link #resetPeak}, in MiB. */
    static OptionalDouble peakMib() {
        return status("VmHWM:");
    }

    /** Starts the peak anew where the system lets us; elsewhere it stays that of the whole run. */
    static void resetPeak() {
        if (Files.isWritable(CLEAR)) {
            try {
                Files.writeString(CLEAR, "5");
            } catch (IOException e) {
                // a sandbox refuses it; the peak then includes what was before
            }
        }
    }

    private static OptionalDouble status(String key) {
        if (!Files.isReadable(STATUS)) {
            return OptionalDouble.empty();
        }
        try {
            for (String line : Files.readAllLines(STATUS)) {
                if (line.startsWith(key)) {
                    String kib = line.substring(key.length()).replace("kB", "").strip();
                    return OptionalDouble.of(Long.parseLong(kib) / 1024.0);
                }
            }
        } catch (IOException | NumberFormatException e) {
            // as where there is no such file
        }
        return OptionalDouble.empty();
    }
}
